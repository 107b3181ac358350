"""First come, first served."""

from __future__ import annotations

from sched.views import PlacedCallView


class Fcfs:
    """The call that became ready first runs first, as in stock SGLang.

    Why: the baseline, and what users of SGLang know.  Inputs: the time it became ready, which is the key,
    seconds.  Trade-offs: the calls of one workflow queue anew at every stage, and one near its deadline waits
    like any other.  Nothing starves.
    """

    name = "fcfs"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return when the call became ready."""
        return call.ready_at
