"""One file of lines: appended to by this process alone, read by offset, never shown torn."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from engine.controller.journal.lines import MAX_LINE_BYTES

_MODE = 0o600
_CHUNK = 1 << 20
_NEW = ".new"
_PRIVATE = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that is full is an error, no wait


class JournalFile:
    """An open file with an exclusive lock; nobody but its user may read it.  ``size`` in bytes.

    What is no regular file, such as ``/dev/null``, is written to and never read.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self.closed = False
        self._fd = descriptor
        self._torn = False
        try:
            status = os.fstat(descriptor)
            self.regular = stat.S_ISREG(status.st_mode)
            if self.regular:
                self.size = status.st_size
                if status.st_mode & 0o777 != _MODE:
                    with suppress(PermissionError):  # somebody else's file
                        os.fchmod(descriptor, _MODE)
                self._torn = self.size > 0 and self.read(self.size - 1, 1) != b"\n"
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> JournalFile:
        """Open ``path``.

        Raises:
            BlockingIOError: another process has it open.
            OSError: it can't be opened, or isn't there and ``create`` is false.
        """
        return cls(path, os.open(path, _PRIVATE | (os.O_CREAT if create else 0), _MODE))

    @classmethod
    def begin(cls, path: Path) -> JournalFile:
        """Open an empty file beside ``path``; :meth:`take_place` puts it there.

        Raises:
            OSError: it can't be made.
        """
        beside = path.with_name(path.name + _NEW)
        return cls(beside, os.open(beside, _PRIVATE | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE))

    def take_place(self, path: Path) -> None:
        """Move the file to ``path``, over what is there; ``OSError`` if that can't be."""
        self.path.replace(path)
        self.path = path

    def discard(self) -> None:
        """Close a file that was begun in vain, and remove it."""
        self.close()
        with suppress(OSError):
            self.path.unlink()

    def append(self, line: bytes) -> int:
        """Write a line and return its offset; it is the kernel's when this process dies.

        Raises:
            OSError: it could not be written whole, and nothing of it is there.
        """
        offset = self.size + self._torn
        rest = memoryview(b"\n" + line if self._torn else line)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            try:
                os.ftruncate(self._fd, self.size)
            except OSError:
                if self.regular:
                    self._torn, self.size = True, os.fstat(self._fd).st_size
            raise
        self.size, self._torn = offset + len(line), False
        return offset

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes, fewer at the end; ``OSError`` if the disk fails."""
        return os.pread(self._fd, length, offset)

    def lines(self, start: int = 0) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield offset, length and content of each line from ``start`` on, the line feed included.

        The content of a line without an end, or longer than any that is written, is ``None``.
        """
        if not self.regular:
            return
        offset, size = start, self.size
        with os.fdopen(os.dup(self._fd), "rb", buffering=_CHUNK) as file:
            file.seek(start)
            while offset < size:
                line = file.readline(MAX_LINE_BYTES)
                length, part = len(line), line
                while len(part) == MAX_LINE_BYTES and not part.endswith(b"\n"):
                    part = file.readline(MAX_LINE_BYTES)
                    length += len(part)
                if not length:
                    return  # it was cut off meanwhile
                whole = length == len(line) and line.endswith(b"\n")
                yield offset, length, line if whole else None
                offset += length

    def copy(self, offset: int, length: int, to: JournalFile) -> None:
        """Append a part of this file to another; ``OSError`` if a disk fails."""
        end = offset + length
        while offset < end and (chunk := self.read(offset, min(_CHUNK, end - offset))):
            to.append(chunk)
            offset += len(chunk)

    @property
    def in_place(self) -> bool:
        """Whether ``path`` still leads to this file."""
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._fd))

    def put_back(self) -> None:
        """Write the file anew where it is, or was before somebody removed it; offsets stay.

        Raises:
            FileExistsError: another one took its place.
            OSError: it can't be written.
        """
        if not self.in_place and self.path.exists() and self.path.stat().st_size:
            raise FileExistsError(errno.EEXIST, "another file has taken its place")
        new = JournalFile.begin(self.path)
        try:
            self.copy(0, self.size, new)
            new.take_place(self.path)
        except OSError:
            new.discard()
            raise
        self._fd, new._fd = new._fd, self._fd
        new.close()

    def duplicate(self) -> int:
        """Return another descriptor of the file, for the caller to close."""
        return os.dup(self._fd)

    def close(self) -> None:
        """Close the file.  Idempotent."""
        if not self.closed:
            self.closed = True
            os.close(self._fd)
