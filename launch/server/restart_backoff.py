"""How often the launcher starts a child that died again, and how soon: the backoff."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sched.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartLimits:
    """A child that dies more than ``restarts`` times within ``window_seconds`` is given up.  Before that it
    is started again after its backoff, seconds, which doubles with each of these deaths."""

    restarts: int = 3
    window_seconds: float = 300.0
    worker_backoff_seconds: float = 1.0
    controller_backoff_seconds: float = 0.1


class RestartBackoff:
    """Counts the deaths of one child; ``backoff_seconds`` is the wait after the first."""

    def __init__(self, limits: RestartLimits, backoff_seconds: float, clock: Clock) -> None:
        self._limits = limits
        self._backoff = backoff_seconds
        self._clock = clock
        self._times: deque[float] = deque(maxlen=limits.restarts + 1)

    @property
    def count(self) -> int:
        """The deaths within the window that ends with the last one, which counts, too."""
        return sum(self._times[-1] - at < self._limits.window_seconds for at in self._times)

    def died(self) -> float | None:
        """Note a death now; return the seconds until the child may be started again, ``None`` if never."""
        self._times.append(self._clock())
        return None if self.count > self._limits.restarts else self._backoff * 2.0 ** (self.count - 1)
