"""The oldest workflow first."""

from __future__ import annotations

from sched.policy import PlacedCallView


class OldestWorkflow:
    """The call whose workflow arrived first runs first.

    Key: the workflow's arrival, seconds.  First come, first served for whole chains instead of calls: what
    was begun is ended.  Nothing starves.  It knows neither lengths nor deadlines.
    """

    name = "oldest_workflow"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return when the workflow arrived."""
        return call.workflow.arrival
