"""Waiting for a state, however slow the machine is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

GUARD_SECONDS = 120.0
"""A wait that lasts longer hangs.  No test says anything about how long its wait took."""
_LOOK_SECONDS = 0.01


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the event loop go on until ``condition`` holds; ``TimeoutError`` if it doesn't come to that."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not condition():  # noqa: ASYNC110 (any condition)
            await asyncio.sleep(_LOOK_SECONDS)


def block_until(condition: Callable[[], bool]) -> None:
    """Block this thread until ``condition`` holds, which is the work of others."""
    deadline = time.monotonic() + GUARD_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it didn't come to that"
        time.sleep(_LOOK_SECONDS)
