"""Work that goes on until an event happens, or one of several fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any


async def done_before(event: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Run ``work`` unless ``event`` happens first; then it is cancelled and the answer is ``False``."""
    task, happened = asyncio.create_task(work), asyncio.create_task(event.wait())
    await asyncio.wait({task, happened}, return_when=asyncio.FIRST_COMPLETED)
    happened.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait up to ``seconds`` for ``event`` and tell whether it has happened."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def all_done(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run ``works`` side by side; once one of them fails, cancel the others and raise its error."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
