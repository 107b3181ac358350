"""Least laxity first."""

from __future__ import annotations

from sched.policy import RekeyReason
from sched.views import PlacedCallView


class Llf:
    """The call whose workflow can least afford to wait runs first.

    Why: of two equal deadlines the longer workflow's is nearer to being missed.  Inputs: the workflow's
    deadline, the call's own predicted seconds, and the critical path expected after it (*rest*).

    Key: the latest start that still meets the deadline, ``deadline − own − rest``, seconds.  Laxity itself is
    that less the present time, so the order is the same and static.

    Trade-offs: like ``edf`` it favours workflows past saving under overload, and it rests on predictions.
    Nothing starves as long as deadlines are finite.
    """

    name = "llf"
    follows = frozenset({RekeyReason.DEADLINE})

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the latest start that meets the deadline."""
        return call.workflow.deadline - call.predicted_seconds - call.lone_rest_seconds
