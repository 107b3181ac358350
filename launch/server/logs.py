"""The log files of the launcher's children."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path

_POLL_SECONDS = 0.2


def tail(log: Path, lines: int = 15) -> list[str]:
    """Return the last ``lines`` of ``log``, indented; none if there is no file."""
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            return [f"    {line.rstrip()}" for line in deque(file, maxlen=lines)]
    except FileNotFoundError:
        return []


async def follow(log: Path, write: Callable[[str], None]) -> None:
    """Pass every line of ``log``, old and new, to ``write`` until cancelled."""
    with log.open(encoding="utf-8", errors="replace") as file:
        pending = ""
        while True:
            pending += file.read()
            *lines, pending = pending.split("\n")
            for line in lines:
                write(line)
            await asyncio.sleep(_POLL_SECONDS)
