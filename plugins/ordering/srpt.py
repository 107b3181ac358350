"""Shortest remaining processing time."""

from __future__ import annotations

from sched.views import PlacedCallView


class Srpt:
    """The call whose workflow has least left to do runs first.

    Why: best for the mean, and for how many meet a deadline under overload.  Inputs: the call's own predicted
    seconds and the critical path expected after it; the key is their sum.  Trade-offs: under overload long
    workflows starve, so the tail grows.
    """

    name = "srpt"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the remaining seconds of the workflow."""
        return call.predicted_seconds + call.lone_rest_seconds
