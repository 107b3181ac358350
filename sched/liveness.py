"""When a process that shows no sign of life counts as hung, lost, or to be killed."""

from __future__ import annotations

from dataclasses import dataclass

REPORT_SECONDS = 1.0
"""So long after it came about, at most, the controller hears that a scheduler stands still."""
_PASSES = 3.0
"""So many times the predicted forward pass may last before it counts as hung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeLimits:
    """Seconds without a sign of life.

    ``hung_seconds``: within so much, or three predicted forward passes if that is longer, a scheduler that
    stands still is noticed; its worker goes on reporting.  ``lost_seconds``: a worker that reports nothing is
    lost, after ``hung_seconds`` if its process is stopped.  ``kill_seconds``: a process that doesn't come
    back is killed and started again.
    """

    hung_seconds: float = 3.0
    lost_seconds: float = 10.0
    kill_seconds: float = 30.0

    def is_hung(self, still_seconds: float, pass_seconds: float) -> bool:
        """Tell whether a scheduler that has stood still for ``still_seconds`` hangs, the predicted pass
        lasting ``pass_seconds``."""
        return still_seconds >= max(self.hung_seconds, _PASSES * pass_seconds) - REPORT_SECONDS
