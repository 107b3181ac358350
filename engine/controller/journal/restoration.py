"""What earlier controllers left: their workflows, and the lines of which nothing can be made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from engine.controller.journal.journal_file import JournalFile
from engine.controller.journal.line_index import MOST_KNOWN, LineIndex, LinePlace
from engine.controller.journal.lines import read_line
from engine.controller.timeline import WorkflowRecord
from sched.errors import Failure
from sched.request import State

logger = logging.getLogger(__name__)

_LOST = Failure(
    "controller_lost", "the server's controller was lost while the workflow was running: ask again"
)

MOST_BAD_BYTES = 16 * 1024 * 1024
"""Bad lines are kept for whoever looks into them, up to this size of their file."""


class Restoration:
    """Reads the files of a journal, the oldest first, and notes in ``index`` where ended workflows stand.

    Of very many workflows without an end the latest are known.
    """

    def __init__(self, index: LineIndex) -> None:
        self._open: dict[str, WorkflowRecord] = {}
        self._index = index

    def read(self, file: JournalFile, most_bytes: int) -> Iterator[tuple[WorkflowRecord, bytes]]:
        """Yield the ended workflows in the last ``most_bytes`` of ``file``, with their lines.

        Whoever takes them all has the rest set aside: see :func:`set_aside`.
        """
        start = max(0, file.size - most_bytes)
        bad = _Gaps(start)
        for offset, length, line in file.lines(start):
            try:
                record = None if line is None or line == b"\n" else read_line(line)
                if record is not None:
                    self._check(record)
            except ValueError as error:
                logger.debug("a bad line of the journal: %s", error)
                record, line = None, None
            if line is None:
                bad.add(offset, length)
            elif record is not None and record.seconds is None:
                self._begun(record)
            elif record is not None:
                self._open.pop(record.spec.workflow_id, None)
                place = LinePlace(file, offset, length, record.started_at)
                self._index.add(record.spec.workflow_id, place)
                yield record, line
        self.bad = bad

    def lost(self, now: float) -> list[WorkflowRecord]:
        """Return the workflows without an end, which were lost with their controller: they have failed by
        Unix time ``now``."""
        for record in self._open.values():
            seconds = max(0.0, now - record.started_at)
            record.settle(State.FAILED, seconds, deadline_met=False, failure=_LOST)
        return list(self._open.values())

    def _check(self, record: WorkflowRecord) -> None:
        known = self._index.find(record.spec.workflow_id)
        if known is not None and known.started_at == record.started_at:
            raise ValueError("this workflow has ended before")

    def _begun(self, record: WorkflowRecord) -> None:
        self._open.pop(record.spec.workflow_id, None)
        self._open[record.spec.workflow_id] = record
        if len(self._open) > MOST_KNOWN:
            del self._open[next(iter(self._open))]


class _Gaps:
    """Parts of a file that are bad, adjacent ones as one; ``lines`` counts them."""

    def __init__(self, skipped: int) -> None:
        self.parts = [(0, skipped)] if skipped else []
        self.lines = len(self.parts)

    def add(self, offset: int, length: int) -> None:
        self.lines += 1
        if self.parts and sum(self.parts[-1]) == offset:
            begin, before = self.parts[-1]
            self.parts[-1] = (begin, before + length)
        else:
            self.parts.append((offset, length))


def set_aside(file: JournalFile, bad: _Gaps, into: Path, index: LineIndex) -> JournalFile:
    """Return ``file`` without its ``bad`` lines, which are appended to the file ``into``.

    If the disk fails, ``file`` stays as it is.
    """
    if not bad.lines:
        return file
    new: JournalFile | None = None
    try:
        new = JournalFile.begin(file.path)
        end = 0
        for offset, length in [*bad.parts, (file.size, 0)]:
            file.copy(end, offset - end, new)
            end = offset + length
        _append(file, bad, into)
        new.take_place(file.path)
    except OSError as error:
        logger.error("%d bad lines stay in %s: %s", bad.lines, file.path, error.strerror)
        if new is not None:
            new.discard()
        return file
    index.moved(file, new, bad.parts)
    logger.warning("%d bad lines of %s were set aside into %s", bad.lines, file.path, into)
    file.close()
    return new


def _append(file: JournalFile, bad: _Gaps, into: Path) -> None:
    aside = JournalFile.open(into)
    try:
        for offset, length in bad.parts:
            file.copy(offset, min(length, max(0, MOST_BAD_BYTES - aside.size)), aside)
    finally:
        aside.close()
