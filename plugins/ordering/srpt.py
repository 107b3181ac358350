"""Shortest remaining processing time."""

from __future__ import annotations

from sched.policy import PlacedCallView


class Srpt:
    """The call whose workflow has least left to do runs first.

    Key: its own seconds as predicted on the runtime plus the critical path expected after it.  Best for the
    mean, and for how many meet a deadline under overload; long workflows starve then, so the worst get worse.
    """

    name = "srpt"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the remaining seconds of the workflow."""
        return call.predicted_seconds + call.lone_rest_seconds
