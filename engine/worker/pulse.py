"""For how long a process has shown no sign of life, as far as another one can see."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from sched.clock import AttentiveClock, Clock, monotonic

_MOST_SECONDS = 2.0
"""So much of the time between two looks counts: whoever was stopped itself saw nothing."""


class Pulse:
    """Watches a process by signs that change while it lives; a value that changed is a sign of life.

    ``turns`` counts the turns of its loop.  ``cpu_seconds`` and, last, the dear ``family_cpu_seconds`` tell
    that it works although the loop doesn't turn: it compiles, or a pass is long, or it is starved.  A process
    that is stopped or deadlocked uses no processor time.
    """

    def __init__(
        self,
        turns: Callable[[], int],
        cpu_seconds: Callable[[], float],
        family_cpu_seconds: Callable[[], float],
        clock: Clock = monotonic,
    ) -> None:
        self._turns, self._cpu, self._family = turns, cpu_seconds, family_cpu_seconds
        self._seen = turns(), cpu_seconds()
        self._seen_family = family_cpu_seconds()
        self._clock = AttentiveClock(clock, _MOST_SECONDS)
        self._moved_at = self._clock()

    def still_seconds(self) -> float:
        """Look, and return the seconds since the last look that saw a sign of life (or the first look)."""
        now = self._clock()
        if self._moved():
            self._moved_at = now
        return now - self._moved_at

    def _moved(self) -> bool:
        before, self._seen = self._seen, (self._turns(), self._cpu())
        if self._seen != before:
            return True
        family, self._seen_family = self._seen_family, self._family()
        return self._seen_family != family


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used; 0 once it has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def family_cpu_seconds(pid: int) -> float:
    """Return the processor time of all processes below one, those that have ended included (milliseconds)."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        below = sum(cpu_seconds(child.pid) for child in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.children_user + times.children_system) + below
