"""Aborts that came before their requests."""

from __future__ import annotations

from sched.clock import Clock

REMEMBERED_SECONDS = 60.0
_MOST = 10_000


class EarlyAborts:
    """Remembers them for a minute, at most 10,000."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, rid: str) -> None:
        """Note that an unknown request was aborted."""
        now = self._clock()
        while self._until and next(iter(self._until.values())) <= now:
            del self._until[next(iter(self._until))]
        if len(self._until) < _MOST:
            self._until[rid] = now + REMEMBERED_SECONDS

    def take(self, rid: str) -> bool:
        """Return whether a request that comes now was aborted before, and forget that."""
        return self._until.pop(rid, None) is not None
