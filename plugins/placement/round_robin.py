"""Runtimes in turn, whatever their speed or load."""

from __future__ import annotations

from collections.abc import Sequence

from sched.policy import Placement
from sched.views import CallView, RuntimeView


class RoundRobin:
    """Call n goes to runtime n modulo their number.

    Why: the baseline of most servers.  Inputs: the call's sequence number, so no state is needed.
    Trade-offs: on heterogeneous runtimes the slowest one sets the pace, and no prefix affinity is kept.  No
    call is held back, so none starves.
    """

    name = "round_robin"

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime whose turn it is (no scores)."""
        chosen = runtimes[call.sequence % len(runtimes)]
        return Placement(chosen.name, f"turn {call.sequence} of {len(runtimes)} runtimes")
