"""The less loaded one of two runtimes drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from plugins.placement.random import draw
from sched.policy import Placement
from sched.views import CallView, RuntimeView


@dataclass(frozen=True, kw_only=True)
class PowerOfTwo:
    """Of two runtimes drawn at random, the one with fewer outstanding calls.

    Why: sgl-router's ``power_of_two`` (Mitzenmacher, 2001): nearly as even as looking at all runtimes, at
    constant cost, and without all calls running to the same idle one.  Inputs: outstanding calls of the two,
    which are drawn from the call's sequence number and ``seed``.

    Trade-offs: blind to speed, lengths and caches.  No call is held back, so none starves.

    Scores are outstanding calls; those not drawn have the larger of the two, so that the choice is the best
    of all shown.
    """

    seed: int = 0

    name: ClassVar[str] = "power_of_two"

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the less loaded of two runtimes, the first drawn on a tie."""
        drawn = draw(call, self.seed).sample(runtimes, min(2, len(runtimes)))
        chosen = min(drawn, key=lambda r: r.outstanding_calls)
        worst = max(r.outstanding_calls for r in drawn)
        scores = {r.name: float(worst) for r in runtimes}
        scores[chosen.name] = float(chosen.outstanding_calls)
        others = ", ".join(r.name for r in drawn if r is not chosen) or "none"
        reason = f"{chosen.outstanding_calls} calls outstanding, drawn with {others}"
        return Placement(chosen.name, reason, scores)
