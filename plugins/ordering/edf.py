"""Earliest deadline first."""

from __future__ import annotations

from sched.policy import RekeyReason
from sched.views import PlacedCallView


class Edf:
    """The call whose workflow's deadline is nearest runs first.

    Why: it meets all deadlines on one machine if any order does (Liu and Layland, 1973).  Inputs: that
    deadline, which is the key, seconds.

    Trade-offs: under overload workflows past saving go first and delay the others; lengths don't count.
    Nothing starves: a deadline stands still while later ones arrive.
    """

    name = "edf"
    follows = frozenset({RekeyReason.DEADLINE})

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the workflow's deadline."""
        return call.workflow.deadline
