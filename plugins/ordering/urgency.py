"""HexGen-Flow's local urgency."""

from __future__ import annotations

from sched.policy import Change, PlacedCallView


class Urgency:
    """The call whose stage budget leaves least room runs first (HexGen-Flow, arXiv 2505.05286).

    Published urgency: ``t_est − (stage budget − time waited)``, largest first.  All urgencies grow by
    the same second per second, so their order never changes while calls wait and the key can be
    static: the latest start time ``ready + stage budget − t_est`` (seconds, smallest first).  A call's
    urgency grows while it waits, so nothing starves as long as deadlines are finite; workflows past
    saving go first, which hurts the others under lasting overload.  Another deadline of the workflow gives
    its waiting calls another place.
    """

    name = "urgency"
    follows = frozenset({Change.DEADLINE})

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the latest start that keeps the stage within its budget."""
        return call.stage_deadline - call.predicted_seconds
