"""How long the supervisor waits for its children."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds.  ``end_seconds`` is what a child gets between SIGTERM and SIGKILL beyond its drain,
    ``hurry_seconds`` the same after a failure.  ``settle_seconds`` is what the controller gets to be ready
    once a runtime that was ready has died.  A child that shows no sign of life for ``kill_seconds`` is
    killed; all are looked at every ``look_seconds``.
    """

    start_seconds: float
    drain_seconds: float
    end_seconds: float = 10.0
    hurry_seconds: float = 3.0
    settle_seconds: float = 10.0
    kill_seconds: float = 30.0
    look_seconds: float = 1.0
