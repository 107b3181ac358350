"""Where in the journal the line of an ended workflow stands."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.controller.journal.journal_file import JournalFile

MOST_KNOWN = 100_000
"""Workflows whose place is known: some 30 MB of memory."""


@dataclass(slots=True)
class LinePlace:
    """A line of ``file``.  ``started_at`` tells its workflow from others of the same id."""

    file: JournalFile
    offset: int
    length: int
    started_at: float


class LineIndex:
    """The places of the latest ended workflows, by id."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, LinePlace] = OrderedDict()

    def add(self, workflow_id: str, place: LinePlace) -> None:
        """Note a place, instead of the id's former one."""
        self._places.pop(workflow_id, None)
        self._places[workflow_id] = place
        if len(self._places) > MOST_KNOWN:
            self._places.popitem(last=False)

    def find(self, workflow_id: str) -> LinePlace | None:
        """Return the place of a workflow, ``None`` if it isn't known."""
        return self._places.get(workflow_id)

    def forget(self, file: JournalFile) -> None:
        """Forget a file that goes."""
        for name in [name for name, place in self._places.items() if place.file is file]:
            del self._places[name]

    def moved(self, old: JournalFile, new: JournalFile, gaps: Sequence[tuple[int, int]]) -> None:
        """Note that the lines of ``old`` are in ``new``, without its ``gaps`` (offset, length), in order."""
        begins = [offset for offset, _ in gaps]
        before = [0]
        for _, length in gaps:
            before.append(before[-1] + length)
        for place in self._places.values():
            if place.file is old:
                place.file = new
                place.offset -= before[bisect_right(begins, place.offset)]
