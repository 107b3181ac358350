"""Thousands of calls of one request are started a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from launch.api.siblings import merged, together

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
