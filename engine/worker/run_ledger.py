"""What runtimes took in and began, written down as it happens: the evidence that nothing ran twice.

Only tests and ``python -m launch.bench chaos`` ask for it, by a variable of the environment.  All runtimes of
a server append lines to one file: the machine's monotonic clock, what happened, the request's id.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from engine.sglang.variables import LEDGER

CAME = "came"
BEGAN = "began"


class RunLedger:
    """Appends to ``path``; a line is one write, so those of several processes don't mix.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def came(self, rid: str) -> None:
        """Note that the runtime has taken in an attempt."""
        self._write(CAME, rid)

    def began(self, rid: str) -> None:
        """Note that the runtime begins to compute an attempt."""
        self._write(BEGAN, rid)

    def _write(self, what: str, rid: str) -> None:
        os.write(self._descriptor, f"{time.monotonic():.6f} {what} {rid}\n".encode())


def asked_for(environment: Mapping[str, str] = os.environ) -> RunLedger | None:
    """Return the ledger that this process is asked to keep, if it is.

    Raises:
        OSError: it can't be written.
    """
    path = environment.get(LEDGER)
    return RunLedger(path) if path else None
