"""The journal: which workflows were accepted and how they ended, kept beyond the life of the controller."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.controller.journal.disk_sync import DiskSync, SyncFailedError, SyncPolicy
from engine.controller.journal.journal_file import JournalFile
from engine.controller.journal.line_index import LineIndex, LinePlace
from engine.controller.journal.lines import accepted_line, ended_line
from engine.controller.journal.restoration import Restoration, set_aside
from engine.controller.journal.unwritten import End, Unwritten
from engine.controller.timeline import BARE_CALL, WorkflowRecord
from sched.errors import ConfigError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_LEAST_READ_BYTES = 256 * 1024 * 1024
"""Many open workflows make a file larger than its half of the journal's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """``max_bytes``: of its files together.  ``sync``: see :class:`DiskSync`."""

    max_bytes: int = 512 * 1024 * 1024
    sync: SyncPolicy = "interval"


class Journal:
    """Two files: ``path``, and ``path``.1 with what came before; lines that can't be read go to ``path``.bad.

    Call :meth:`restore` first, and :meth:`beat` from time to time.  If the disk fails, ``trouble`` says why
    and the server goes on: what can't be written now is written later, as far as 64 MiB hold it.

    A call outside every workflow is not recorded: nobody knows its id.

    Raises:
        ConfigError: another server writes to the file.
    """

    def __init__(
        self,
        path: Path,
        options: JournalOptions | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        options = options or JournalOptions()
        self.trouble: str | None = None
        self._path, self._now = path, wall_clock
        self._half = max(1, options.max_bytes // 2)
        self._turn_at = self._half
        self._sync = DiskSync(options.sync)
        self._index = LineIndex()
        self._open: dict[str, bytes] = {}
        self._unwritten = Unwritten()
        self._retry_at: float | None = None
        self._to_rewrite = self._to_prove = False
        self._older: JournalFile | None = None
        self._file: JournalFile | None = None
        try:
            self._file = JournalFile.open(path)
        except BlockingIOError as error:
            raise ConfigError(f"--journal {path} is another server's: name another file") from error
        except OSError as error:
            self._failed(error)
        if self._file is not None and self._file.regular:
            with suppress(OSError):
                self._older = JournalFile.open(self._beside(".1"), create=False)

    @property
    def size(self) -> int:
        """Bytes in its files."""
        return sum(file.size for file in self._files if file.regular)

    @property
    def unwritten(self) -> int:
        """Ended workflows that wait for the disk."""
        return len(self._unwritten)

    def restore(self) -> Iterator[tuple[WorkflowRecord, bytes]]:
        """Yield the workflows of earlier controllers with their lines, in the order of their ends.

        One without an end was lost with its controller: it failed, and that is recorded now.  Lines of which
        nothing can be made are set aside.
        """
        restoration = Restoration(self._index)
        for file in self._files:
            try:
                yield from restoration.read(file, max(4 * self._half, _LEAST_READ_BYTES))
            except OSError as error:
                self._failed(error)
                continue
            clean = set_aside(file, restoration.bad, self._beside(".bad"), self._index)
            if file is self._file:
                self._file = clean
            else:
                self._older = clean
        for record in restoration.lost(self._now()):
            line = ended_line(record, self._now())
            self.ended(record, line)
            yield record, line

    def accepted(self, record: WorkflowRecord) -> None:
        """Record a workflow that begins, or one whose deadline was changed."""
        if record.spec.kind != BARE_CALL:
            line = self._open[record.spec.workflow_id] = accepted_line(record, self._now())
            self._try(lambda: self._write(line))

    def ended(self, record: WorkflowRecord, line: bytes) -> None:
        """Record the end of a workflow, whose ``lines.ended_line`` is given."""
        if record.spec.kind == BARE_CALL:
            return
        name, end = record.spec.workflow_id, End(record.started_at, line)
        self._open.pop(name, None)
        if not self._try(lambda: self._write_end(name, end)):
            self._unwritten.add(name, end)

    def find(self, workflow_id: str) -> bytes | None:
        """Return the line of an ended workflow; ``None`` if it is not there, or can't be read any more."""
        if (line := self._unwritten.find(workflow_id)) is not None:
            return line
        place = self._index.find(workflow_id)
        if place is not None and not place.file.closed:
            with suppress(OSError):
                return place.file.read(place.offset, place.length)
        return None

    def beat(self, now: float) -> None:
        """Do what is due at ``now`` (seconds, monotonic): sync, and look after a disk that failed."""
        if self.trouble is None:
            self._try(lambda: self._look(now))
        elif self._retry_at is None:
            self._retry_at = now + RETRY_SECONDS
        elif now >= self._retry_at:
            self._retry_at = now + RETRY_SECONDS
            try:
                self._recover(now)
            except OSError as error:
                self.trouble = error.strerror or str(error)
                self._to_rewrite |= isinstance(error, SyncFailedError)

    def close(self) -> None:
        """Bring what was written to the disk and close the files.  Idempotent."""
        self._sync.close()
        for file in self._files:
            file.close()

    @property
    def _files(self) -> list[JournalFile]:
        return [file for file in (self._older, self._file) if file is not None]

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _write(self, line: bytes) -> tuple[JournalFile, int]:
        assert self._file is not None
        if self._file.size and self._file.regular and self._file.size + len(line) > self._turn_at:
            self._turn_over()
        file = self._file
        offset = file.append(line)
        self._sync.wrote(file)
        return file, offset

    def _write_end(self, name: str, end: End) -> None:
        file, offset = self._write(end.line)
        if file.regular:
            self._index.add(name, LinePlace(file, offset, len(end.line), end.started_at))

    def _turn_over(self) -> None:
        """Begin another file with the open workflows; the present one becomes the older one."""
        assert self._file is not None
        new, full = JournalFile.begin(self._path), self._file
        try:
            for line in self._open.values():
                new.append(line)
            full.take_place(self._beside(".1"))
            if self._older is not None:
                self._index.forget(self._older)
                self._older.close()
                self._older = None
            new.take_place(self._path)
        except OSError:
            new.discard()
            raise
        self._older, self._file = full, new
        self._turn_at = max(self._half, 2 * new.size)  # else many open workflows turn it over with each line

    # --- when the disk fails --------------------------------------------------------------------

    def _try(self, work: Callable[[], object]) -> bool:
        """Do ``work`` unless the disk has failed; return whether it was done."""
        if self.trouble is None:
            try:
                work()
            except OSError as error:
                self._failed(error)
        return self.trouble is None

    def _failed(self, error: OSError) -> None:
        self.trouble = error.strerror or str(error)
        self._to_rewrite = self._to_prove = isinstance(error, SyncFailedError)
        self._retry_at = None
        logger.error(
            "the journal %s can't be written: %s. Workflows are served all the same, but the next controller "
            "won't know them; it is tried again every %.0f s.",
            *(self._path, self.trouble, RETRY_SECONDS),
        )

    def _look(self, now: float) -> None:
        self._sync.beat(now)
        for file in self._files:
            if not file.in_place:
                raise FileNotFoundError(errno.ENOENT, f"{file.path} has vanished")

    def _recover(self, now: float) -> None:
        """Write what is missing; ``OSError`` if the disk still fails.

        A disk that lost what it had taken must first take it again, all of it.
        """
        if self._file is None:
            self._file = JournalFile.open(self._path)
        for file in self._files:
            if self._to_rewrite or not file.in_place:
                file.put_back()
                self._sync.wrote(file)
        self._to_rewrite = False
        if self._to_prove:
            self._sync.beat(now)
            if not self._sync.idle:
                return
            self._to_prove = False
        for name, end in self._unwritten.all():
            self._write_end(name, end)
            self._unwritten.drop(name)
        for line in self._open.values():
            self._write(line)
        self.trouble = None
        logger.warning(
            "the journal %s is written again; %d ended workflows are missing from it",
            *(self._path, self._unwritten.missing),
        )
        self._unwritten.missing = 0
