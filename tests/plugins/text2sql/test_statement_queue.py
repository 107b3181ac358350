"""Statements wait by urgency, not by arrival, and how long they run is learned."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases import DatabaseRegistry
from plugins.text2sql.shop import build_shop
from plugins.text2sql.statement_queue import StatementQueue
from sched.errors import NotFoundError
from sched.workflow import SqlResult

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class Jobs:
    """Jobs of a queue with one thread, which a first job blocks until :meth:`release`."""

    def __init__(self) -> None:
        self.queue = StatementQueue(1)
        self.ran: list[str] = []
        self._free = threading.Event()
        self.blocker = self.queue.submit(lambda: self._run("first", self._free.wait(20)), 0.0)

    def submit(self, name: str, due: float) -> Future[SqlResult]:
        return self.queue.submit(lambda: self._run(name), due)

    def release(self) -> list[str]:
        self._free.set()
        return self.ran

    def _run(self, name: str, _: object = None) -> SqlResult:
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
    waiting = [
        jobs.submit(name, due)
        for name, due in [("never", math.inf), ("late", 9.0), ("b", 5.0), ("a", 1.0), ("c", 5.0)]
    ]
    jobs.release()
    wait(waiting, 20)
    assert jobs.ran == ["first", "a", "b", "c", "late", "never"]


def test_a_withdrawn_job_never_runs_and_holds_nothing(jobs: Jobs) -> None:
    """Its turn goes to the next one, and the queue forgets it at once."""
    gone = jobs.queue.submit(lambda: SqlResult("gone"), 1.0)
    stays = jobs.queue.submit(lambda: SqlResult("stays"), 2.0)
    assert jobs.queue.withdraw(gone)
    assert len(jobs.queue._waiting) == 1
    jobs.release()
    assert stays.result(20).statement == "stays"
    assert gone.cancelled()
    assert not jobs.queue.withdraw(stays)


def test_an_error_reaches_whoever_waits(jobs: Jobs) -> None:
    """A job that raises doesn't take its thread along."""
    failing = jobs.queue.submit(lambda: SqlResult(str(1 // 0)), 1.0)
    after = jobs.queue.submit(lambda: SqlResult("after"), 2.0)
    jobs.release()
    assert isinstance(failing.exception(20), ZeroDivisionError)
    assert after.result(20).statement == "after"


@pytest.fixture(scope="module")
def shop_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queue") / "shop.sqlite"
    build_shop(path)
    return path


@pytest.fixture
async def registry(shop_path: Path) -> AsyncIterator[DatabaseRegistry]:
    with closing(DatabaseRegistry(max_concurrency=1)) as registry:
        registry.register("shop", shop_path)
        yield registry


async def test_the_workflow_with_least_slack_gets_the_free_thread(registry: DatabaseRegistry) -> None:
    """A late statement of an urgent workflow overtakes those that wait; without slack given, all do."""
    order: list[str] = []

    async def ask(name: str, slack: float | None) -> None:
        known = {} if slack is None else {"slack_seconds": slack}
        result = await registry.execute("shop", "SELECT count(*) FROM order_items", 20, **known)
        assert result.ok, result.error
        order.append(name)

    blocker = asyncio.create_task(registry.execute("shop", ENDLESS, 20, slack_seconds=0.0))
    await asyncio.sleep(0.05)
    asked = [("none", None), ("relaxed", 60.0), ("urgent", 2.0), ("overdue", -5.0)]
    waiting = [asyncio.create_task(ask(name, slack)) for name, slack in asked]
    await asyncio.sleep(0.05)
    blocker.cancel()
    await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert order == ["overdue", "urgent", "relaxed", "none"]


async def test_slack_shrinks_while_a_statement_waits(registry: DatabaseRegistry) -> None:
    """What counts is when the deadline is, so that a patient workflow isn't overtaken for ever."""
    order: list[str] = []

    async def ask(name: str, slack: float) -> None:
        await registry.execute("shop", "SELECT 1", 20, slack_seconds=slack)
        order.append(name)

    blocker = asyncio.create_task(registry.execute("shop", ENDLESS, 20, slack_seconds=0.0))
    await asyncio.sleep(0.05)
    waiting = [asyncio.create_task(ask("early", 1.0))]
    await asyncio.sleep(0.3)
    waiting.append(asyncio.create_task(ask("later", 0.9)))
    await asyncio.sleep(0.05)
    blocker.cancel()
    await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert order == ["early", "later"]


async def test_the_time_of_statements_is_learned(registry: DatabaseRegistry) -> None:
    """Mean and 90th percentile per database; waiting, refused and abandoned statements don't count."""
    assert registry.times("shop").count == 0
    for _ in range(8):
        await registry.execute("shop", "SELECT 1", 5)
    await registry.execute("shop", "DROP TABLE orders", 5)
    quick = registry.times("shop")
    assert quick.count == 8
    assert 0 < quick.mean_seconds < 0.1
    for _ in range(2):
        await registry.execute("shop", ENDLESS, 0.2)
    known = registry.times("shop")
    assert known.count == 10
    assert 0.035 < known.mean_seconds < 0.2
    assert 0.19 < known.p90_seconds < 0.5
    task = asyncio.create_task(registry.execute("shop", ENDLESS, 20))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await registry.execute("shop", "SELECT 1", 5)).ok
    assert registry.times("shop").count == 11
    with pytest.raises(NotFoundError):
        registry.times("shpo")


async def test_memory_of_times_is_bounded(registry: DatabaseRegistry) -> None:
    """Only the latest statements count, so that what is learned follows the load."""
    started = time.monotonic()
    for _ in range(300):
        await registry.execute("shop", "SELECT 1", 5)
    assert registry.times("shop").count == 256
    assert time.monotonic() - started < 20
