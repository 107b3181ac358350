"""Least laxity first."""

from __future__ import annotations

from sched.policy import Change, PlacedCallView


class Llf:
    """The call whose workflow can least afford to wait runs first.

    Key: the latest start that still meets the deadline, ``deadline − own − rest`` (seconds): own as predicted
    on the runtime, rest the critical path expected after it.  Laxity itself is that less the present time, so
    the order is the same and static.  Like ``edf`` it favours workflows past saving under overload; a long
    workflow goes before a short one of equal deadline.  Nothing starves as long as deadlines are finite.
    """

    name = "llf"
    follows = frozenset({Change.DEADLINE})

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the latest start that meets the deadline."""
        return call.workflow.deadline - call.predicted_seconds - call.lone_rest_seconds
