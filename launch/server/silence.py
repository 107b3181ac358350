"""Whether a child process still shows signs of life."""

from __future__ import annotations

from launch.server.child import Child
from sched.clock import AttentiveClock, Clock

_MOST_SECONDS = 3.0
"""So much of the time between two looks counts: a launcher that was stopped itself heard nobody."""


class Silence:
    """The silence of ``child`` since its last sign of life, by ``clock``; none before its first one."""

    def __init__(self, child: Child, clock: Clock) -> None:
        self._child = child
        self._clock = AttentiveClock(clock, _MOST_SECONDS)
        self._signs = 0
        self._heard_at = self._clock()

    def seconds(self) -> float:
        """Look, and return how long it lasts."""
        now = self._clock()
        if self._child.signs_of_life != self._signs or not self._signs:
            self._signs, self._heard_at = self._child.signs_of_life, now
        return now - self._heard_at
