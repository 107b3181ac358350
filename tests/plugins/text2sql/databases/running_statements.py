"""What tests of running statements share: time that they move, and how they see what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from sched.clock import ManualClock

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
CROSS_JOIN = "SELECT count(*) FROM order_items a, order_items b, order_items c WHERE a.id < b.id + c.id"
HEAVY_CALLS = "SELECT sum(length(hex(zeroblob(100000)))) FROM order_items a, order_items b"

AMPLE = 10_000.0
"""Seconds that no statement takes, however slow the machine; a test that hangs is ended by pytest-timeout."""

GUARD = 200.0
"""Seconds after which a thread that a test holds goes on by itself, should the test have failed."""


class MovedTime(ManualClock):
    """A clock that the test moves, and with it the timers of ``loop``, beside the real time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        real = loop.time
        loop.time = lambda: real() + self.now  # type: ignore[method-assign]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a state, mostly of other threads."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def passes(count: int = 20) -> None:
    """Let the event loop do all that it can do now."""
    for _ in range(count):
        await asyncio.sleep(0)


def running(registry: DatabaseRegistry, statement: str | None = None) -> int:
    """Return how many statements, or how many times ``statement``, run on the database."""
    return sum(
        job.stopping.running and statement in (None, job.text) for job in list(registry._jobs.values())
    )


def waiting(registry: DatabaseRegistry) -> int:
    """Return how many statements wait for a thread."""
    return len(registry._queue._waiting)


async def until_idle(registry: DatabaseRegistry) -> None:
    """Wait until no statement holds a thread or waits for one."""
    await until(lambda: not registry._jobs)
