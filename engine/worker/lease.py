"""A worker's word to its scheduler process that the controller still counts on it: a moment in a shared file.

A worker that is stopped can't tell its scheduler anything, and the controller has its calls run elsewhere
after three seconds.  So the scheduler begins no waiting call once the worker's latest word is older than two;
what it has begun goes on.  Without any word it begins everything: before the first ping, and on a runtime of
several ranks, which must all decide alike.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from sched.clock import Clock, monotonic

LEASE_SECONDS = 2.0
"""A worker that heard nothing for so long asks its controller what it is (``standstill.py``)."""
_FILE = "lease"
_MOMENT = struct.Struct("<d")


class Lease:
    """The worker's end, in ``run_dir``: the machine's monotonic clock, which all its processes share."""

    def __init__(self, run_dir: Path, clock: Clock = monotonic) -> None:
        self._path = run_dir / _FILE
        self._clock = clock
        self._shared: mmap.mmap | None = None

    def begin(self) -> None:
        """Give the first word; later ones change nothing."""
        if self._shared is None:
            self._path.with_name(f".{_FILE}").write_bytes(_MOMENT.pack(self._clock()))
            self._path.with_name(f".{_FILE}").rename(self._path)
            with self._path.open("r+b") as file:
                self._shared = mmap.mmap(file.fileno(), _MOMENT.size)

    def renew(self) -> None:
        """Give another word, once there was a first one."""
        if self._shared is not None:
            _MOMENT.pack_into(self._shared, 0, self._clock())

    def end(self) -> None:
        """Have nothing begin until the next word."""
        if self._shared is not None:
            _MOMENT.pack_into(self._shared, 0, float("-inf"))


class LeaseReader:
    """The scheduler's end."""

    def __init__(self, run_dir: Path, clock: Clock = monotonic) -> None:
        self._path = run_dir / _FILE
        self._clock = clock
        self._shared: mmap.mmap | None = None

    def holds(self) -> bool:
        """Tell whether waiting calls may begin now."""
        if self._shared is None:
            if not self._path.exists():
                return True
            with self._path.open("rb") as file:
                self._shared = mmap.mmap(file.fileno(), _MOMENT.size, access=mmap.ACCESS_READ)
        (word,) = _MOMENT.unpack_from(self._shared)
        return self._clock() - float(word) < LEASE_SECONDS
