"""What a child process tells the launcher about its start: one JSON line per stage."""

from __future__ import annotations

import logging
import os
import time

import orjson

logger = logging.getLogger(__name__)

_STARTED = time.monotonic()


class StatusWriter:
    """Writes stages to ``descriptor`` (``None``: only to the log)."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def __call__(self, stage: str, message: str = "") -> None:
        """Write ``{"stage", "seconds" since the start of the process, "message"}``.

        A launcher that no longer reads is no error here.
        """
        seconds = round(time.monotonic() - _STARTED, 3)
        logger.info("%s after %.1f s %s", stage, seconds, message)
        if self._descriptor is None:
            return
        line = orjson.dumps({"stage": stage, "seconds": seconds, "message": message}) + b"\n"
        try:
            os.write(self._descriptor, line)
        except OSError:
            self._descriptor = None
