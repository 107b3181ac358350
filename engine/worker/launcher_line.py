"""The worker's line to the launcher: its standard input, open as long as the launcher lives."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from engine.wire.worker_spec import WorkerSpec
from engine.worker.descendants import end_children
from engine.worker.own_log import WORKER
from engine.worker.runtime_interface import StartError

logger = logging.getLogger(WORKER)

_STDIN = 0
_MAX_SPEC_BYTES = 1 << 20
_LAST_RESORT_SECONDS = 20.0


def read_spec() -> WorkerSpec:
    """Return what the launcher wrote in the first line.

    Raises:
        StartError: it wrote nothing, or no specification.
    """
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(_STDIN, 1)  # byte by byte: what follows the line is the lifeline's
        if not part or len(line) > _MAX_SPEC_BYTES:
            raise StartError("no specification came on standard input: workers are started by launch")
        line += part
    try:
        spec = WorkerSpec.from_json(line)
    except (TypeError, ValueError) as error:
        raise StartError(f"the worker's specification is malformed: {error}") from error
    if spec.slowdown < 1:
        raise StartError(f"slowdown is {spec.slowdown}; it must be at least 1")
    return spec


class LauncherLine:
    """Waits, in a thread, for the launcher's end.

    Then this process gets SIGTERM, or what :meth:`when_lost` says happens, and is ended by force if it still
    runs some time later, even if its main thread is stuck.
    """

    def __init__(self) -> None:
        self.lost = False
        self._limit = _LAST_RESORT_SECONDS
        self._act: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGTERM)
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, name="lifeline", daemon=True).start()

    def when_lost(self, act: Callable[[], object], within_seconds: float) -> None:
        """Have ``act``, which may be called in any thread, make this process end within so many seconds."""
        with self._lock:
            self._act, self._limit = act, within_seconds + _LAST_RESORT_SECONDS
            if self.lost:
                act()

    def _follow(self) -> None:
        while os.read(_STDIN, 4096):
            pass
        logger.warning("the launcher is gone")
        with self._lock:
            self.lost = True
            self._act()
        time.sleep(self._limit)
        end_children()
        os._exit(1)
