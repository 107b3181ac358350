"""Thousands of calls of one request are started a few at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from launch.api.siblings import merged, together, unhurried

CALLS = 1_000


class Others:
    """Counts the turns that everybody else gets."""

    def __init__(self) -> None:
        self.turns = 0
        self._task = asyncio.create_task(self._turn())

    async def _turn(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    def leave(self) -> None:
        self._task.cancel()


@pytest.fixture
async def others() -> AsyncIterator[Others]:
    """Somebody else's work in the event loop."""
    made = Others()
    yield made
    made.leave()


async def test_others_get_their_turns_while_calls_start(others: Others) -> None:
    """And the results come in order."""
    most, before = 0, others.turns

    async def call(number: int) -> int:
        nonlocal most, before
        most = most + 1 if others.turns == before else 1
        before = others.turns
        assert most <= 20
        return number

    assert await together([call(number) for number in range(CALLS)]) == list(range(CALLS))
    assert others.turns > CALLS / 20


async def test_a_failure_keeps_the_rest_from_starting() -> None:
    """It is raised at once, and what never began leaves no warning."""
    started = []

    async def call(number: int) -> int:
        started.append(number)
        if number == 20:
            raise ValueError("refused")
        await asyncio.Event().wait()
        return number

    with pytest.raises(ValueError, match="refused"):
        await together([call(number) for number in range(CALLS)])
    assert 20 < len(started) < 100


async def test_streams_start_a_few_at_a_time_too(others: Others) -> None:
    """Each part comes with the index of its stream."""

    async def stream(number: int) -> AsyncGenerator[int, None]:
        yield number
        yield -number

    before = others.turns
    parts = [part async for part in merged([stream(number) for number in range(CALLS)])]
    assert sorted(parts) == sorted((n, sign * n) for n in range(CALLS) for sign in (1, -1))
    assert others.turns - before > CALLS / 20


class Ending:
    """Calls that wait for ever; when each of them ended, in turns of the others."""

    def __init__(self, others: Others) -> None:
        self.ended_at: list[int] = []
        self.first = asyncio.Event()
        self._others = others
        self._started = 0
        self._all_started = asyncio.Event()
        calls = [self._call() for _ in range(CALLS)]
        self.running = asyncio.create_task(together(calls))

    async def leave(self) -> None:
        """Have the client leave once all calls are under way."""
        await self._all_started.wait()
        await asyncio.sleep(0)  # all are waited for
        self.running.cancel()

    async def _call(self) -> None:
        self._started += 1
        if self._started == CALLS:
            self._all_started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended_at.append(self._others.turns)
            self.first.set()


async def test_others_get_their_turns_while_calls_end(others: Others) -> None:
    """A client that leaves ends thousands of calls: a few at a time."""
    ending = Ending(others)
    await ending.leave()
    with pytest.raises(asyncio.CancelledError):
        await ending.running
    assert len(ending.ended_at) == CALLS
    assert max(Counter(ending.ended_at).values()) <= 20


async def test_cancelled_again_it_leaves_no_call_behind(others: Others) -> None:
    """Whoever is cancelled while calls end a few at a time ends the rest at once."""
    ending = Ending(others)
    await ending.leave()
    await ending.first.wait()
    assert len(ending.ended_at) < CALLS
    ending.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending.running
    assert len(ending.ended_at) == CALLS


async def test_long_work_gives_others_turns(others: Others) -> None:
    """What is made for each of thousands of calls is made a few at a time, in order."""
    before = others.turns
    assert [item async for item in unhurried(range(CALLS))] == list(range(CALLS))
    assert others.turns - before >= CALLS // 40
