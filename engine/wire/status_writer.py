"""What a child process tells the launcher: one JSON line per stage of its start, then its signs of life."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from typing import Any

import orjson

logger = logging.getLogger(__name__)

_STARTED = time.monotonic()
_ALIVE_SECONDS = 1.0


class StatusWriter:
    """Writes stages to ``descriptor`` (``None``: only to the log)."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_blocking(descriptor, False)

    def __call__(self, stage: str, message: str = "") -> None:
        """Write ``{"stage", "seconds" since the start of the process, "message"}``.

        A launcher that no longer reads is no error here.
        """
        seconds = round(time.monotonic() - _STARTED, 3)
        logger.info("%s after %.1f s %s", stage, seconds, message)
        self._write({"stage": stage, "seconds": seconds, "message": message})

    def notice(self, sentence: str) -> None:
        """Have the launcher show ``sentence`` to the user."""
        self._write({"notice": sentence})

    async def keep_alive(self) -> None:
        """Show every second, until cancelled, that the event loop turns."""
        while True:
            self._write({"alive": True})
            await asyncio.sleep(_ALIVE_SECONDS)

    def _write(self, message: Mapping[str, Any]) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, orjson.dumps(message) + b"\n")
        except BlockingIOError:
            pass  # a launcher that is stopped
        except OSError:
            self._descriptor = None
