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
