"""Statements wait by urgency, not by arrival, and how long they run is learned."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.statement_queue import StatementQueue
from sched.errors import NotFoundError, OverloadedError
from sched.workflow import SqlResult
from tests.plugins.text2sql.databases.running_statements import (
    AMPLE,
    ENDLESS,
    GUARD,
    MovedTime,
    running,
    until,
    until_idle,
    waiting,
)


class Jobs:
    """Jobs of a queue with one thread, which a first job blocks until :meth:`release`."""

    def __init__(self) -> None:
        self.queue = StatementQueue(1)
        self.ran: list[str] = []
        self._free, begun = threading.Event(), threading.Event()

        def first() -> SqlResult:
            begun.set()
            assert self._free.wait(GUARD)
            return self._run("first")

        self.queue.submit(first, 0.0)
        assert begun.wait(GUARD)

    def submit(self, name: str, due: float) -> Future[SqlResult]:
        return self.queue.submit(lambda: self._run(name), due)

    def release(self) -> list[str]:
        self._free.set()
        return self.ran

    def _run(self, name: str) -> SqlResult:
        self.ran.append(name)
        return SqlResult(name)


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.release()
    jobs.queue.shutdown()


def test_the_most_urgent_job_goes_first(jobs: Jobs) -> None:
    """By due time, then by arrival; one without a deadline comes last."""
    submitted = [
        jobs.submit(name, due)
        for name, due in [("never", math.inf), ("late", 9.0), ("b", 5.0), ("a", 1.0), ("c", 5.0)]
    ]
    jobs.release()
    wait(submitted, GUARD)
    assert jobs.ran == ["first", "a", "b", "c", "late", "never"]


def test_a_withdrawn_job_never_runs_and_holds_nothing(jobs: Jobs) -> None:
    """Its turn goes to the next one, and the queue forgets it at once."""
    gone = jobs.queue.submit(lambda: SqlResult("gone"), 1.0)
    stays = jobs.queue.submit(lambda: SqlResult("stays"), 2.0)
    assert jobs.queue.withdraw(gone)
    assert len(jobs.queue._waiting) == 1
    jobs.release()
    assert stays.result(GUARD).statement == "stays"
    assert gone.cancelled()
    assert not jobs.queue.withdraw(stays)


def test_an_error_reaches_whoever_waits(jobs: Jobs) -> None:
    """A job that raises doesn't take its thread along."""
    failing = jobs.queue.submit(lambda: SqlResult(str(1 // 0)), 1.0)
    after = jobs.queue.submit(lambda: SqlResult("after"), 2.0)
    jobs.release()
    assert isinstance(failing.exception(GUARD), ZeroDivisionError)
    assert after.result(GUARD).statement == "after"


@pytest.fixture
async def clock() -> MovedTime:
    return MovedTime(asyncio.get_running_loop())


@pytest.fixture
async def registry(shop_path: Path, clock: MovedTime) -> AsyncIterator[DatabaseRegistry]:
    """A registry with one thread, whose SQL has ``lasts(seconds)``, which moves the clock."""
    with closing(DatabaseRegistry(max_concurrency=1, clock=clock)) as registry:
        registry.register("shop", SqliteDatabase, str(shop_path))

        def prepare(connection: sqlite3.Connection, *_: object) -> None:
            connection.create_function("lasts", 1, clock.advance)

        database = registry.database("shop")
        assert isinstance(database, SqliteDatabase)
        sa.event.listen(database._engine, "checkout", prepare)
        yield registry


async def test_the_workflow_with_least_slack_gets_the_free_thread(registry: DatabaseRegistry) -> None:
    """A late statement of an urgent workflow overtakes those that wait; without slack given, all do."""
    order: list[str] = []

    async def ask(name: str, slack: float | None) -> None:
        known = {} if slack is None else {"slack_seconds": slack}
        result = await registry.execute("shop", "SELECT count(*) FROM order_items", AMPLE, **known)
        assert result.ok, result.error
        order.append(name)

    blocker = asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE, slack_seconds=0.0))
    await until(lambda: running(registry) == 1)
    asked = [("none", None), ("relaxed", 60.0), ("urgent", 2.0), ("overdue", -5.0)]
    asking = [asyncio.create_task(ask(name, slack)) for name, slack in asked]
    await until(lambda: waiting(registry) == 4)
    blocker.cancel()
    await asyncio.gather(*asking)
    assert order == ["overdue", "urgent", "relaxed", "none"]


async def test_slack_shrinks_while_a_statement_waits(registry: DatabaseRegistry, clock: MovedTime) -> None:
    """What counts is when the deadline is, so that a patient workflow isn't overtaken for ever."""
    order: list[str] = []

    async def ask(name: str, slack: float) -> None:
        await registry.execute("shop", "SELECT 1", AMPLE, slack_seconds=slack)
        order.append(name)

    blocker = asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE, slack_seconds=0.0))
    await until(lambda: running(registry) == 1)
    asking = [asyncio.create_task(ask("early", 1.0))]
    await until(lambda: waiting(registry) == 1)
    clock.advance(0.3)
    asking.append(asyncio.create_task(ask("later", 0.9)))
    await until(lambda: waiting(registry) == 2)
    blocker.cancel()
    await asyncio.gather(*asking)
    assert order == ["early", "later"]


async def test_the_time_of_statements_is_learned(registry: DatabaseRegistry, clock: MovedTime) -> None:
    """Mean and 90th percentile per database; waiting, refused and abandoned statements don't count."""
    assert registry.times("shop").count == 0
    for _ in range(8):
        assert (await registry.execute("shop", "SELECT lasts(0.01)", AMPLE)).ok
    await registry.execute("shop", "DROP TABLE orders", AMPLE)
    quick = registry.times("shop")
    assert quick.count == 8
    assert quick.mean_seconds == pytest.approx(0.01)
    for _ in range(2):
        late = asyncio.create_task(registry.execute("shop", ENDLESS, 1000))
        await until(lambda: running(registry) == 1)
        waits = asyncio.create_task(registry.execute("shop", "SELECT lasts(5)", 900))
        await until(lambda: waiting(registry) == 1)
        clock.advance(1000)
        assert (await waits).error_kind == "unavailable"
        assert (await late).error_kind == "timeout"
        await until_idle(registry)
    known = registry.times("shop")
    assert known.count == 10
    assert known.mean_seconds == pytest.approx((8 * 0.01 + 2 * 1000) / 10)
    assert known.p90_seconds == pytest.approx(1000)
    task = asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE))
    await until(lambda: running(registry) == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await registry.execute("shop", "SELECT 1", AMPLE)).ok
    assert registry.times("shop").count == 11
    with pytest.raises(NotFoundError):
        registry.times("shpo")


async def test_memory_of_times_is_bounded(registry: DatabaseRegistry) -> None:
    """Only the latest statements count, so that what is learned follows the load."""
    await registry.execute("shop", "SELECT lasts(1000)", AMPLE)
    assert registry.times("shop").mean_seconds == pytest.approx(1000)
    for _ in range(300):
        await registry.execute("shop", "SELECT 1", AMPLE)
    assert (registry.times("shop").count, registry.times("shop").mean_seconds) == (256, 0)


async def test_statements_beyond_those_that_may_wait_are_refused(shop_path: Path) -> None:
    """By 429, with the time within which those that wait are decided; then there is room again."""
    clock = MovedTime(asyncio.get_running_loop())
    with closing(DatabaseRegistry(max_concurrency=1, max_waiting=2, clock=clock)) as registry:
        registry.register("shop", SqliteDatabase, str(shop_path))
        endless = asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE))
        await until(lambda: running(registry) == 1)
        answers = [asyncio.create_task(registry.execute("shop", "SELECT 1", AMPLE)) for _ in range(2)]
        await until(lambda: waiting(registry) == 2)
        with pytest.raises(OverloadedError, match="too many SQL statements are waiting") as refused:
            await registry.execute("shop", "SELECT 2", 7.0)
        assert refused.value.retry_after == 7.0
        endless.cancel()
        assert all(result.ok for result in await asyncio.gather(*answers))
        assert (await registry.execute("shop", "SELECT 3", AMPLE)).ok


def test_withdrawn_jobs_leave_no_turns_behind() -> None:
    """However many come and go while no thread is free; those that stay run all the same."""
    jobs = Jobs()
    for number in range(500):
        assert jobs.queue.withdraw(jobs.submit(f"gone {number}", 1.0))
    kept = [jobs.submit(f"kept {number}", float(number)) for number in range(3)]
    assert jobs.queue._executor._work_queue.qsize() <= 4
    jobs.release()
    wait(kept, GUARD)
    assert jobs.ran == ["first", "kept 0", "kept 1", "kept 2"]
