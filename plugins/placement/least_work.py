"""The runtime that would be done first, by predicted seconds."""

from __future__ import annotations

from collections.abc import Sequence

from sched.policy import Placement
from sched.views import CallView, RuntimeView


class LeastWork:
    """Smallest sum of outstanding predicted seconds plus the call's own, per runtime.

    Why: the simplest policy that knows speed, lengths and caches.  Inputs: the outstanding predicted seconds
    of each runtime, and the call's own by its latency model, in which a cached prefix costs nothing.

    Trade-offs: cache affinity never outweighs load.  Calls are summed as if they ran one after another, which
    overstates the load of a runtime that batches well.  No call is held back, so none starves.

    Scores in seconds.  Ties go to the first runtime.
    """

    name = "least_work"

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime with the smallest score."""
        own = {r.name: r.service_seconds(call) for r in runtimes}
        scores = {r.name: r.outstanding_seconds + own[r.name] for r in runtimes}
        chosen = min(runtimes, key=lambda r: scores[r.name])
        reason = (
            f"{chosen.outstanding_seconds:.2f} s outstanding + {own[chosen.name]:.2f} s own, "
            f"{chosen.cached_tokens(call)} tokens cached"
        )
        return Placement(chosen.name, reason, scores)
