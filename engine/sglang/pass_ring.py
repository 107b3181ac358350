"""The latest forward passes of a runtime, in a small file that its scheduler writes and its worker reads.

The file is a ring of records, each with its number, so that a reader knows what it has missed and passes over
a record that is being written.  Only the first rank of a tensor-parallel runtime writes.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from sched.predict.speed import Pass

PASSES_FILE = "passes"
RECORDS = 512
_RECORD = struct.Struct("<Q7dQ")
"""Number, the fields of ``Pass``, and the number again."""


class PassWriter:
    """Writes to ``path``, which is made when the first pass is noted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shared: mmap.mmap | None = None
        self._count = 0

    def note(self, done: Pass) -> None:
        """Append a pass; the oldest is overwritten."""
        if self._shared is None:
            self._shared = _mapped(self._path)
        self._count += 1
        place = self._count % RECORDS * _RECORD.size
        _RECORD.pack_into(self._shared, place, self._count, *done, self._count)


class PassReader:
    """Reads what has come into ``path`` since the time before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = 0

    def take(self, most: int = RECORDS) -> list[Pass]:
        """Return the latest ``most`` new passes, the oldest first."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        found = {
            number: Pass(int(requests), int(tokens), reach, square, int(calls), int(context), seconds)
            for number, requests, tokens, reach, square, calls, context, seconds, again in (
                _RECORD.iter_unpack(content[: len(content) // _RECORD.size * _RECORD.size])
            )
            if number == again and number > self._seen
        }
        self._seen = max(found, default=self._seen)
        return [found[number] for number in sorted(found)[-most:]]


def _mapped(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, RECORDS * _RECORD.size)
        return mmap.mmap(descriptor, RECORDS * _RECORD.size)
    finally:
        os.close(descriptor)
