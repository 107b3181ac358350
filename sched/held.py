"""The calls held for a runtime, in the order in which they are to be sent."""

from __future__ import annotations

import heapq
import itertools

from sched.order import queue_position
from sched.request import Call, State
from sched.views import RuntimeView

_Position = tuple[int, float, int]
_SPENT_ENTRIES = 64
"""Entries that no longer count and may lie there beyond as many as there are calls."""


class HeldCalls:
    """A heap of calls by their keys.  An entry is spent once its call is elsewhere or has another key.

    ``now``: seconds, as of the latest event.  :meth:`entered` and those after it do nothing: tenants are
    told apart in ``sched/shared_held.py``.
    """

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime
        self._heap: list[tuple[_Position, int, Call]] = []
        self.aside: list[Call] = []
        self.now = 0.0
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
        self.aside.append(self.take())

    def look_again(self) -> None:
        """Put back what was set aside."""
        for call in self.aside:
            self.push(call)
        self.aside.clear()

    def entered(self, call: Call) -> None:
        """Note that a call is held here from now on; before its first :meth:`push`."""

    def sent(self, call: Call, runtime: RuntimeView, *, queue_empty: bool) -> None:
        """Note that a taken call is sent; ``queue_empty``: no other waits inside the runtime."""

    def finished(self, call: Call, runtime: RuntimeView, cached_tokens: int, output_tokens: int) -> None:
        """Note what a sent call was; before it is :meth:`released`."""

    def released(self, call: Call) -> None:
        """Note that a call leaves the runtime, sent or not."""

    def _counts(self, entry: tuple[_Position, int, Call]) -> bool:
        position, _, call = entry
        return call.state is State.WAITING and call.runtime == self._runtime and position == _position(call)


def _position(call: Call) -> _Position:
    return queue_position(call.key, call.sequence, call.spec.priority)
