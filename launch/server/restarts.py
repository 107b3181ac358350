"""How long the launcher waits for its children, and how often it starts one again."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits in seconds.  ``end_seconds`` is what a child gets between SIGTERM and SIGKILL beyond
    its drain, ``hurry_seconds`` the same after a failure.  A child that dies more than ``restarts`` times
    within ``restart_window_seconds`` is given up; before that it is started again after its backoff, which
    doubles with each of these deaths."""

    start_seconds: float
    drain_seconds: float
    end_seconds: float = 10.0
    hurry_seconds: float = 3.0
    restarts: int = 3
    restart_window_seconds: float = 300.0
    backoff_seconds: float = 1.0
    controller_backoff_seconds: float = 0.1


class Deaths:
    """Counts a child's deaths; ``backoff_seconds`` is the wait after the first."""

    def __init__(self, limits: Limits, backoff_seconds: float) -> None:
        self._limits = limits
        self._backoff = backoff_seconds
        self._times: deque[float] = deque(maxlen=limits.restarts + 1)

    @property
    def count(self) -> int:
        """The deaths within the window before the last one."""
        return sum(self._times[-1] - at < self._limits.restart_window_seconds for at in self._times)

    def another(self) -> float | None:
        """Note a death now; return the seconds until the child may be started again, ``None`` if never."""
        self._times.append(time.monotonic())
        return None if self.count > self._limits.restarts else self._backoff * 2.0 ** (self.count - 1)
