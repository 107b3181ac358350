"""sgl-router's cache-aware routing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from plugins.placement.random import draw
from sched.policy import CallView, Placement, RuntimeView


@dataclass(frozen=True, kw_only=True)
class CacheAware:
    """The longest prefix that was sent before while loads are balanced, else the shortest queue.

    As ``sglang-router`` 0.3.2 does it, with its defaults:

    1. imbalanced, that is most − least outstanding calls > ``balance_abs`` and most > ``balance_rel`` ·
       least: the fewest outstanding calls;
    2. else, if more than ``cache_threshold`` of the prompt was sent to some runtime before: the one with
       the longest such prefix;
    3. else the fewest outstanding calls.

    Who was sent the same prefix as others is chosen by chance, weighted by the text that was sent there:
    the router compares texts to the letter, so the owner of any earlier prompt that goes on with the
    same letter wins.  ``seed`` draws.  (``tests/launch/test_peers_cache_aware.py`` holds these rules
    against the real router; its README still tells of the smallest tree instead of 3.)

    The router's tree forgets nothing for long; here a prefix counts while the core believes it in the
    cache or coming, which is more exact, in the router's favour.  Blind to speed and lengths.

    The defaults suit many runtimes with hundreds of calls: on a few, affinity runs on until one is
    ``balance_abs`` calls ahead; for these there is ``cache_aware_small`` (8 / 1.2).

    Scores: outstanding calls, or the negated share of the prompt sent before.  No call is held back, so
    none starves; a hot prefix crowds its runtime.
    """

    cache_threshold: float = 0.3
    balance_abs: int = 64
    balance_rel: float = 1.5
    seed: int = 0

    name: ClassVar[str] = "cache_aware"

    def __post_init__(self) -> None:
        if not 0 <= self.cache_threshold <= 1:
            raise ValueError(f"cache_threshold must be between 0 and 1, not {self.cache_threshold:g}")

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime that the rules name, the first of those with the fewest calls on a tie."""
        calls = {r.name: float(r.outstanding_calls) for r in runtimes}
        most, least = max(calls.values()), min(calls.values())
        if most - least > self.balance_abs and most > self.balance_rel * least:
            return _shortest(calls, f"imbalanced ({least:g} to {most:g} calls): the shortest queue")
        sent = {r.name: -r.expected_tokens(call) / max(1, call.prompt_tokens) for r in runtimes}
        share = -min(sent.values())
        if share <= self.cache_threshold:
            return _shortest(calls, "nothing much of it was sent before: the shortest queue")
        equal = [r for r in runtimes if sent[r.name] == -share]
        weights = [1 + r.new_tokens for r in equal]
        (chosen,) = draw(call, self.seed).choices([r.name for r in equal], weights)
        return Placement(chosen, f"{share:.0%} of the prompt was sent there before", sent)


@dataclass(frozen=True, kw_only=True)
class CacheAwareSmall(CacheAware):
    """The same with thresholds that fit a few runtimes with a dozen calls each."""

    balance_abs: int = 8
    balance_rel: float = 1.2

    name: ClassVar[str] = "cache_aware_small"


def _shortest(calls: Mapping[str, float], reason: str) -> Placement:
    return Placement(min(calls, key=calls.__getitem__), reason, calls)
