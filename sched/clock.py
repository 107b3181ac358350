"""The injected clock: seconds as float on a monotonic scale."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns the current time in seconds; never goes back."""

monotonic: Clock = time.monotonic


class ManualClock:
    """A clock for tests and the simulator that moves only when told to."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start

    def __call__(self) -> float:
        """Return the present time, seconds."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Move forward by ``seconds`` (≥ 0) and return the new time.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock can't go back ({seconds} s)")
        self.now += seconds
        return self.now


class AttentiveClock:
    """The time that a watcher saw pass: between two readings, at most ``most_seconds`` of ``clock`` count.

    A watcher that was itself stopped or starved heard nothing meanwhile, and must not take that for the
    silence of those it watches.
    """

    def __init__(self, clock: Clock, most_seconds: float) -> None:
        self._clock = clock
        self._most = most_seconds
        self._last = clock()
        self._seen = 0.0

    def __call__(self) -> float:
        """Return the time seen until now, seconds."""
        now = self._clock()
        self._seen += min(now - self._last, self._most)
        self._last = now
        return self._seen
