"""The simulated clock and what will happen on it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from enum import IntEnum


class Turn(IntEnum):
    """What happens first at one instant: reports, then what workflows do, then idle runtimes begin."""

    REPORT = 0
    WORKFLOW = 1
    WAKE = 2


class Agenda:
    """Events in a total order: time, then turn, then the order they were made in.

    ``now`` is the time of the event that happens, in seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, int, Callable[[], None]]] = []
        self._made = itertools.count()

    def at(self, time: float, turn: Turn, act: Callable[[], None]) -> None:
        """Have ``act`` called at ``time``."""
        heapq.heappush(self._events, (time, turn, next(self._made), act))

    def step(self) -> bool:
        """Let the next event happen; return whether there was one."""
        if not self._events:
            return False
        self.now, _, _, act = heapq.heappop(self._events)
        act()
        return True
