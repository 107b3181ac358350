"""The private folder of a running server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAX_FOLDER_LENGTH = 64


@contextmanager
def run_folder() -> Iterator[Path]:
    """A private folder for sockets, logs and temporary files, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-"))
    if len(str(folder)) > _MAX_FOLDER_LENGTH:  # a socket's path must stay below 108 bytes
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="sluice-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
