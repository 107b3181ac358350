"""Ends of workflows that wait for a disk that failed."""

from __future__ import annotations

from typing import NamedTuple

MOST_BYTES = 64 * 1024 * 1024


class End(NamedTuple):
    """The line of a workflow that ended, and the Unix time at which it began."""

    started_at: float
    line: bytes


class Unwritten:
    """Up to ``MOST_BYTES`` of lines; of more the oldest are given up, and counted in ``missing``."""

    def __init__(self) -> None:
        self.missing = 0
        self._ends: dict[str, End] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, workflow_id: str, end: End) -> None:
        """Put an end by, instead of an earlier one of that id."""
        self.drop(workflow_id)
        self._ends[workflow_id] = end
        self._bytes += len(end.line)
        while self._bytes > MOST_BYTES:
            self.drop(next(iter(self._ends)))
            self.missing += 1

    def find(self, workflow_id: str) -> bytes | None:
        """Return a workflow's line, ``None`` if it doesn't wait."""
        end = self._ends.get(workflow_id)
        return None if end is None else end.line

    def all(self) -> list[tuple[str, End]]:
        """Return what waits, the oldest first."""
        return list(self._ends.items())

    def drop(self, workflow_id: str) -> None:
        """Forget an end, because it was written."""
        if workflow_id in self._ends:
            self._bytes -= len(self._ends.pop(workflow_id).line)
