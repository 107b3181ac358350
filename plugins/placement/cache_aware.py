"""sgl-router's cache-aware routing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import CallView, Placement, RuntimeView


@dataclass(frozen=True, kw_only=True)
class CacheAware:
    """The longest cached prefix while loads are balanced, else the shortest queue.

    As in sgl-router (``policies/cache_aware.rs``), with its defaults:

    1. imbalanced, that is most − least outstanding calls > ``balance_abs`` and most > ``balance_rel`` ·
       least: the fewest outstanding calls;
    2. else, if the best runtime has more than ``cache_threshold`` of the prompt: that one;
    3. else the smallest tree: the runtime that was sent least text that was new to it.

    The router's tree holds the text it sent, and forgets nothing; here matches are taken from the core's
    belief about each cache, which is more exact, in the router's favour.  Blind to speed and lengths.

    The defaults suit many runtimes with hundreds of calls: on a few, affinity runs on until one is
    ``balance_abs`` calls ahead; for these there is ``cache_aware_small`` (8 / 1.2).

    Scores: outstanding calls, or the negated share of the prompt cached, or tokens.  No call is
    held back, so none starves; a hot prefix crowds its runtime.
    """

    cache_threshold: float = 0.3
    balance_abs: int = 64
    balance_rel: float = 1.5

    name: ClassVar[str] = "cache_aware"

    def __post_init__(self) -> None:
        if not 0 <= self.cache_threshold <= 1:
            raise ValueError(f"cache_threshold must be between 0 and 1, not {self.cache_threshold:g}")

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime that the rules name, the first on a tie."""
        calls = {r.name: float(r.outstanding_calls) for r in runtimes}
        most, least = max(calls.values()), min(calls.values())
        if most - least > self.balance_abs and most > self.balance_rel * least:
            return _smallest(calls, f"imbalanced ({least:g} to {most:g} calls): the shortest queue")
        matched = {r.name: -r.cached_tokens(call) / max(1, call.prompt_tokens) for r in runtimes}
        if -min(matched.values()) > self.cache_threshold:
            return _smallest(matched, f"{-min(matched.values()):.0%} of the prompt is cached there")
        sent = {r.name: float(r.new_tokens) for r in runtimes}
        return _smallest(sent, "nothing much is cached anywhere: the smallest tree")


@dataclass(frozen=True, kw_only=True)
class CacheAwareSmall(CacheAware):
    """The same with thresholds that fit a few runtimes with a dozen calls each."""

    balance_abs: int = 8
    balance_rel: float = 1.2

    name: ClassVar[str] = "cache_aware_small"


def _smallest(scores: dict[str, float], reason: str) -> Placement:
    return Placement(min(scores, key=scores.__getitem__), reason, scores)
