"""Waiting for states: the only way in which tests let time pass, however slow the machine is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

GUARD_SECONDS = 300.0
"""A wait that lasts longer hangs.  No test says anything about how long its wait took."""
_LOOK_SECONDS = 0.02


def eventually(condition: Callable[[], bool], seconds: float = GUARD_SECONDS) -> bool:
    """Wait at most ``seconds`` for ``condition`` and return whether it came true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_LOOK_SECONDS)
    return condition()


def block_until(condition: Callable[[], bool]) -> None:
    """Block this thread until ``condition`` holds, which is the work of others."""
    assert eventually(condition), "it didn't come to that"


async def reached(condition: Callable[[], bool]) -> None:
    """Let the event loop go on until ``condition`` holds; ``TimeoutError`` if it doesn't come to that."""
    async with asyncio.timeout(GUARD_SECONDS):
        while not condition():  # noqa: ASYNC110 (any condition)
            await asyncio.sleep(_LOOK_SECONDS)
