"""The oldest workflow first."""

from __future__ import annotations

from sched.views import PlacedCallView


class OldestWorkflow:
    """The call whose workflow arrived first runs first.

    Why: first come, first served for whole chains instead of calls, so that what was begun is ended.  Inputs:
    the workflow's arrival, which is the key, seconds.  Trade-offs: lengths and deadlines don't count, so a
    short workflow waits for every older one.  Nothing starves.
    """

    name = "oldest_workflow"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return when the workflow arrived."""
        return call.workflow.arrival
