"""The runtime with the fewest calls for its speed."""

from __future__ import annotations

from collections.abc import Sequence

from sched.policy import Placement
from sched.views import CallView, RuntimeView


class LeastOutstanding:
    """Smallest (outstanding calls + 1) · seconds per decoded token of a call alone there.

    Why: a load balancer's least-connections with a weight per kind of GPU, the baseline to beat on
    heterogeneous runtimes.  Inputs: outstanding calls and the seconds per decoded token of each runtime.

    Trade-offs: it needs no prediction of a call, so it is blind to lengths and caches: a long prompt counts
    like a short one.  No call is held back, so none starves.

    Scores in seconds per token.  Ties go to the first runtime.
    """

    name = "least_outstanding"

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the runtime with the smallest score."""
        scores = {r.name: (r.outstanding_calls + 1) * r.lone_decode_seconds for r in runtimes}
        chosen = min(runtimes, key=lambda r: scores[r.name])
        reason = (
            f"{chosen.outstanding_calls} calls outstanding, {chosen.lone_decode_seconds * 1e3:.1f} ms a token"
        )
        return Placement(chosen.name, reason, scores)
