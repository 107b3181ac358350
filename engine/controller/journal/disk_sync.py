"""When what was written is forced to the disk, so that it outlives the machine's own end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Literal

from engine.controller.journal.journal_file import JournalFile

SyncPolicy = Literal["always", "interval", "never"]
SYNC_SECONDS = 1.0
_CLOSE_SECONDS = 5.0


class SyncFailedError(OSError):
    """What was written may not be on the disk, and writing more doesn't mend that."""


class _Sync(threading.Thread):
    """One round of ``fsync``; a daemon, since a dead disk may never answer."""

    def __init__(self, files: Iterable[JournalFile]) -> None:
        super().__init__(name="journal sync", daemon=True)
        self.error: OSError | None = None
        self._open = [(file.duplicate(), file.path.parent) for file in files if not file.closed]
        self.start()

    def run(self) -> None:
        """Force each file to the disk, and its name, which may be new."""
        for descriptor, folder in self._open:
            try:
                _force(descriptor)
                if self.error is None:
                    _force(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
            except OSError as error:
                self.error = error


def _force(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DiskSync:
    """``always``: each line before the answer, in the event loop.  ``interval``: every second in which
    something was written, in a thread.  ``never``: when the system does it.

    In any case a line that was written outlives this process.
    """

    def __init__(self, policy: SyncPolicy) -> None:
        self._policy = policy
        self._written: dict[JournalFile, None] = {}
        self._running: _Sync | None = None
        self._next = 0.0

    def wrote(self, file: JournalFile) -> None:
        """Note that something was written.

        Raises:
            OSError: the disk failed, with ``always``.
        """
        if not file.regular or self._policy == "never":
            return
        if self._policy == "interval":
            self._written[file] = None
            return
        try:
            _force(file.duplicate())
        except OSError as error:
            raise SyncFailedError(error.errno, error.strerror) from error

    @property
    def idle(self) -> bool:
        """Whether all that was written is on the disk."""
        return self._running is None and not self._written

    def beat(self, now: float) -> None:
        """Begin what is due at ``now`` (seconds, monotonic).

        Raises:
            SyncFailedError: what began earlier failed.
        """
        if self._running is not None:
            if self._running.is_alive():
                return
            error, self._running = self._running.error, None
            if error is not None:
                raise SyncFailedError(error.errno, error.strerror)
        if self._written and now >= self._next:
            self._next = now + SYNC_SECONDS
            self._running, self._written = _Sync(self._written), {}

    def close(self) -> None:
        """Bring the rest to the disk; waits 5 s at most for each of two rounds."""
        if self._running is not None:
            self._running.join(_CLOSE_SECONDS)
        if self._written:
            _Sync(self._written).join(_CLOSE_SECONDS)
        self._running, self._written = None, {}
