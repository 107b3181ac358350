"""The calls held for a runtime, in the order in which they are to be sent."""

from __future__ import annotations

import heapq
import itertools

from sched.order import queue_position
from sched.request import Call, State

_Position = tuple[int, float, int]
_SPENT_ENTRIES = 64
"""Entries that no longer count and may lie there beyond as many as there are calls."""


class HeldCalls:
    """A heap of calls by their keys.  An entry is spent once its call is elsewhere or has another key."""

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime
        self._heap: list[tuple[_Position, int, Call]] = []
        self._aside: list[Call] = []
        self._pushes = itertools.count()

    def __len__(self) -> int:
        """Entries, spent ones included."""
        return len(self._heap)

    def push(self, call: Call) -> None:
        """Add a call, or give it the place of its new key."""
        heapq.heappush(self._heap, (_position(call), next(self._pushes), call))

    def compact(self, calls: int) -> None:
        """Drop spent entries if there are many for a number of held ``calls``."""
        if len(self._heap) > 2 * calls + _SPENT_ENTRIES:
            self._heap = [entry for entry in self._heap if self._counts(entry)]
            heapq.heapify(self._heap)

    def first(self) -> Call | None:
        """Return the call that is next, if any."""
        while self._heap:
            if self._counts(self._heap[0]):
                return self._heap[0][2]
            heapq.heappop(self._heap)
        return None

    def take(self) -> Call:
        """Remove and return what :meth:`first` returned."""
        return heapq.heappop(self._heap)[2]

    def set_aside(self) -> None:
        """Pass over what :meth:`first` returned until :meth:`look_again`."""
        self._aside.append(self.take())

    def look_again(self) -> None:
        """Put back what was set aside."""
        for call in self._aside:
            self.push(call)
        self._aside.clear()

    def _counts(self, entry: tuple[_Position, int, Call]) -> bool:
        position, _, call = entry
        return call.state is State.WAITING and call.runtime == self._runtime and position == _position(call)


def _position(call: Call) -> _Position:
    return queue_position(call.key, call.sequence, call.spec.priority)
