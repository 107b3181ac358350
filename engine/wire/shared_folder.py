"""The folder that the processes of a server share, for sockets, logs and temporary files.

The launcher removes it.  Without a launcher the last process that leaves does, however the others ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

_LOCK = "in-use"


class SharedFolder:
    """A process's stay in ``path`` (``None``: nowhere): a shared lock that ends with the process."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock: int | None = None
        if path is not None:
            self._lock = os.open(Path(path) / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Remove the folder if no other process is there any more."""
        if self._lock is None or self._path is None:
            return
        try:
            # The shared lock is given up first: of two that leave at a time, one gets it.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self._path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(self._lock)
            self._lock = None
