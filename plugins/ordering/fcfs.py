"""First come, first served."""

from __future__ import annotations

from sched.policy import PlacedCallView


class Fcfs:
    """The call that became ready first runs first, as in stock SGLang.

    Key: the time it became ready, seconds.  Nothing starves; a workflow near its deadline waits like
    any other.
    """

    name = "fcfs"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return when the call became ready."""
        return call.ready_at
