"""HexGen-Flow's local urgency."""

from __future__ import annotations

from sched.policy import RekeyReason
from sched.views import PlacedCallView


class Urgency:
    """The call whose stage budget leaves least room runs first (HexGen-Flow, arXiv 2505.05286).

    Why: the published order that Sluice is measured against.  Inputs: when the call became ready, its share
    of the workflow's budget, and its own predicted seconds (``t_est``).

    Published urgency: ``t_est − (stage budget − time waited)``, largest first.  All urgencies grow by the
    same second per second, so their order never changes while calls wait and the key can be static: the
    latest start time ``ready + stage budget − t_est`` (seconds, smallest first).  Another deadline of the
    workflow gives its waiting calls another place.

    Trade-offs: workflows past saving go first, which hurts the others under lasting overload.  A call's
    urgency grows while it waits, so nothing starves as long as deadlines are finite.
    """

    name = "urgency"
    follows = frozenset({RekeyReason.DEADLINE})

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the latest start that keeps the stage within its budget."""
        return call.stage_deadline - call.predicted_seconds
