"""sgl-router's cache-aware routing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from plugins.placement.random import draw
from sched.policy import Placement
from sched.views import CallView, RuntimeView


@dataclass(frozen=True, kw_only=True)
class CacheAware:
    """The longest prefix that was sent before while loads are balanced, else the shortest queue.

    Why: the baseline that SGLang's users have today.  The rules of ``sglang-router`` 0.3.2, with its
    defaults:

    1. imbalanced, that is most − least outstanding calls > ``balance_abs`` and most > ``balance_rel`` ·
       least: the fewest outstanding calls;
    2. else, if more than ``cache_threshold`` of the prompt was sent to some runtime before: the one with
       the longest such prefix;
    3. else the fewest outstanding calls.

    Ties are chance, drawn by ``seed``.  Of equal queues the router takes the first in an order that each of
    its processes has its own.  Of equal prefixes, it compares texts to the letter: the owner of any earlier
    prompt that goes on with the same letter wins, so the draw is weighted by the text that was sent.
    (``tests/launch/bench/peers/test_cache_aware.py`` holds these rules against the real router, whose
    documents still tell of the smallest tree instead of 3.)

    Inputs: outstanding calls per runtime, the prompt tokens believed in its cache or coming, and for ties the
    tokens placed there so far.  The router's own tree forgets nothing for long, so this knowledge is more
    exact, in the router's favour.

    Trade-offs: blind to speed and lengths; a hot prefix crowds its runtime.  The defaults suit many runtimes
    with hundreds of calls: on a few, affinity holds until one is ``balance_abs`` calls ahead; for these there
    is ``cache_aware_small`` (8 / 1.2).  No call is held back, so none starves.

    Scores: outstanding calls, or the negated share of the prompt sent before.
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
        """Return the runtime that the rules name."""
        calls = {r.name: float(r.outstanding_calls) for r in runtimes}
        most, least = max(calls.values()), min(calls.values())
        chance = draw(call, self.seed)
        shortest = chance.choice([name for name, count in calls.items() if count == least])
        if most - least > self.balance_abs and most > self.balance_rel * least:
            return Placement(shortest, f"imbalanced ({least:g} to {most:g} calls): the shortest queue", calls)
        sent = {r.name: -r.expected_tokens(call) / max(1, call.prompt_tokens) for r in runtimes}
        share = -min(sent.values())
        if share <= self.cache_threshold:
            return Placement(shortest, "nothing much of it was sent before: the shortest queue", calls)
        equal = [r for r in runtimes if sent[r.name] == -share]
        weights = [1 + r.new_tokens for r in equal]
        (chosen,) = chance.choices([r.name for r in equal], weights)
        return Placement(chosen, f"{share:.0%} of the prompt was sent there before", sent)


@dataclass(frozen=True, kw_only=True)
class CacheAwareSmall(CacheAware):
    """``CacheAware`` with thresholds that fit a few runtimes with a dozen calls each.

    Why: with the router's defaults a small cluster seldom counts as imbalanced.  Inputs: as ``CacheAware``.
    Trade-offs: it gives up affinity sooner, so fewer prompt tokens are found cached.
    """

    balance_abs: int = 8
    balance_rel: float = 1.2

    name: ClassVar[str] = "cache_aware_small"
