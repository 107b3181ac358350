"""Calls that one request makes side by side: entered into one workflow, run together, ended together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from engine.controller.calls import Place
from engine.controller.external_workflows import ExternalWorkflows, WorkflowTag
from sched.errors import Failure, SluiceError

T = TypeVar("T")

_AT_ONCE = 8
_STEPS_AT_ONCE = 32


@asynccontextmanager
async def entered(
    external: ExternalWorkflows, tag: WorkflowTag, calls: int = 1
) -> AsyncIterator[list[Place]]:
    """Yield the places of a request's ``calls`` in their workflow, and leave it with what happened inside.

    Raises:
        SluiceError: the workflow can't be entered.
    """
    places = external.enter(tag, calls)
    failure: Failure | None = Failure("cancelled", "its client went away")
    try:
        yield places
        failure = None
    except Exception as error:
        failure = Failure(getattr(error, "code", SluiceError.code), str(error))
        raise
    finally:
        external.leave(places, failure)


async def unhurried(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Yield ``items``; whoever works on thousands of them lets others have their turns between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _STEPS_AT_ONCE == 0:
            await asyncio.sleep(0)


async def together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of ``calls`` in order; the first that fails cancels the others and is raised."""
    if len(calls) == 1:
        return [await calls[0]]
    tasks: list[asyncio.Task[T]] = []
    try:
        await _start(calls, tasks)
        # Bounded by the calls' time limits.  A gather would be cancelled together with all of them at once.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        return [task.result() for task in tasks if len(done) == len(tasks) or _failed(task)]
    finally:
        await _end(tasks)


async def merged(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """Yield what ``streams`` yield, as it comes, with the index of its stream.

    The first that fails closes the others, and its exception is raised; so does closing this generator.
    """
    queue: asyncio.Queue[tuple[int, T] | BaseException | None] = asyncio.Queue()

    async def follow(index: int, stream: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(stream):
                async for item in stream:
                    queue.put_nowait((index, item))
            queue.put_nowait(None)
        except Exception as error:
            queue.put_nowait(error)

    tasks: list[asyncio.Task[None]] = []
    try:
        await _start([follow(index, stream) for index, stream in enumerate(streams)], tasks)
        running, steps = len(tasks), 0
        while running:
            steps += 1
            if steps % _STEPS_AT_ONCE == 0:
                await asyncio.sleep(0)  # a queue that isn't empty gives nobody a turn
            got = await queue.get()  # bounded by the calls' time limits
            if got is None:
                running -= 1
            elif isinstance(got, BaseException):
                raise got
            else:
                yield got
    finally:
        await _end(tasks)


async def _start(calls: Sequence[Coroutine[Any, Any, T]], tasks: list[asyncio.Task[T]]) -> None:
    """Start ``calls`` as ``tasks``, a few at a time: accepting thousands at once would hold everybody.

    Once one has failed, no more are started.
    """
    failed = False

    def ended(task: asyncio.Task[T]) -> None:
        nonlocal failed
        failed |= _failed(task)

    waiting = deque(calls)
    try:
        while waiting and not failed:
            for call in [waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))]:
                task = asyncio.create_task(call)
                task.add_done_callback(ended)
                tasks.append(task)
            await asyncio.sleep(0)
    finally:
        for call in waiting:
            call.close()


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks``, a few at a time as well; all at once if this is cancelled, too."""
    waiting = deque(task for task in tasks if not task.done())
    try:
        while waiting:
            for task in [waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))]:
                task.cancel()
            await asyncio.sleep(0)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
