"""Databases are read-only, statements end in time and within their limits, errors are results."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.text2sql.databases import database_registry
from plugins.text2sql.databases import statement as statement_module
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from sched.errors import ConfigError, NotFoundError
from sched.workflow import SqlBackend
from tests.plugins.text2sql.databases.running_statements import (
    AMPLE,
    CROSS_JOIN,
    ENDLESS,
    GUARD,
    HEAVY_CALLS,
    MovedTime,
    passes,
    running,
    until,
    until_idle,
    waiting,
)


@pytest.fixture
async def clock() -> MovedTime:
    return MovedTime(asyncio.get_running_loop())


@pytest.fixture
async def registry(shop_path: Path, clock: MovedTime) -> AsyncIterator[DatabaseRegistry]:
    with closing(DatabaseRegistry(max_concurrency=2, clock=clock)) as registry:
        registry.register("shop", SqliteDatabase, str(shop_path))
        yield registry


def limited(path: Path, **limits: Any) -> Iterator[DatabaseRegistry]:
    registry = DatabaseRegistry(**limits)
    registry.register("shop", SqliteDatabase, str(path))
    with closing(registry):
        yield registry


async def test_rows_come_back_with_columns_and_time(shop_path: Path) -> None:
    """A good statement gives its columns, rows and time, also to a caller that knows only the protocol."""
    for registry in limited(shop_path):
        backend: SqlBackend = registry
        statement = "SELECT id, name AS n FROM categories ORDER BY id LIMIT 2;"
        started = time.monotonic()
        result = await backend.execute("shop", statement, AMPLE)
        assert result.ok
        assert result.columns == ("id", "n")
        assert [row[0] for row in result.rows] == [1, 2]
        assert (result.truncated, result.error_kind) == (False, None)
        assert 0 < result.seconds <= time.monotonic() - started


@pytest.mark.parametrize("statement", [ENDLESS, CROSS_JOIN, HEAVY_CALLS])
async def test_a_runaway_statement_stops_at_its_limit(
    registry: DatabaseRegistry, clock: MovedTime, statement: str
) -> None:
    """The answer comes at the limit and not before; the thread is free again, however heavy the rows."""
    answer = asyncio.create_task(registry.execute("shop", statement, 5000))
    await until(lambda: running(registry) == 1)
    clock.advance(4000)
    await passes()
    assert not answer.done()
    assert running(registry) == 1
    clock.advance(1000)
    result = await answer
    assert result.error_kind == "timeout"
    assert result.error == "the statement was stopped at its time limit of 5000 s"
    assert result.seconds == 5000
    await until_idle(registry)
    assert (await registry.execute("shop", "SELECT 1", AMPLE)).ok
    assert registry._jobs == {}


async def test_a_limit_in_the_past_is_a_result_too(registry: DatabaseRegistry) -> None:
    """A workflow past its deadline gets an error at once and nothing keeps running."""
    result = await registry.execute("shop", ENDLESS, -1.0)
    assert result.error_kind in ("timeout", "unavailable")
    await until_idle(registry)


@pytest.mark.parametrize("begun", [0, 1, 2])
async def test_cancelling_the_caller_interrupts_the_statement(registry: DatabaseRegistry, begun: int) -> None:
    """Whether it runs, is just starting or still waits: after a cancel its thread is free again."""
    tasks = [asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE)) for _ in range(4)]
    await passes(1)
    assert len(registry._jobs) == 4
    await until(lambda: running(registry) >= begun)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await until_idle(registry)
    assert (await registry.execute("shop", "SELECT 1", AMPLE)).ok


@pytest.mark.parametrize(("owner", "step"), [(statement_module, "check_select"), (SqliteDatabase, "_fetch")])
async def test_a_statement_cancelled_on_its_way_to_sqlite_is_stopped_there(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    """Its thread had it already, and there was nothing yet to interrupt."""
    there, go_on = threading.Event(), threading.Event()
    real = getattr(owner, step)

    def held(*arguments: object) -> object:
        there.set()
        assert go_on.wait(GUARD)
        return real(*arguments)

    monkeypatch.setattr(owner, step, held)
    task = asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE))
    await until(there.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await until_idle(registry)


async def test_an_interrupt_hits_only_its_own_statement(registry: DatabaseRegistry, clock: MovedTime) -> None:
    """While others time out over and over, short statements on the same threads never fail."""

    async def endless() -> None:
        for _ in range(8):
            answer = asyncio.create_task(registry.execute("shop", ENDLESS, 500))
            await until(lambda: running(registry, ENDLESS) == 1)
            clock.advance(500)
            assert (await answer).error_kind == "timeout"
            await until(lambda: running(registry, ENDLESS) == 0)

    async def short() -> None:
        count = 0
        while count < 60 or not others.done():
            result = await registry.execute("shop", "SELECT count(*) FROM customers", 10 * AMPLE)
            assert result.rows == ((1500,),), result.error
            count += 1

    others = asyncio.create_task(endless())
    await asyncio.gather(others, short())


async def test_waiting_for_a_thread_counts_towards_the_limit(registry: DatabaseRegistry) -> None:
    """With all threads busy a statement is given up at its limit, as unavailable, and never runs."""
    busy = [asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE)) for _ in range(2)]
    await until(lambda: running(registry) == 2)
    result = await registry.execute("shop", "SELECT 1", 0.2)
    assert result.error_kind == "unavailable"
    assert result.error == "no database thread was free within 0.2 s"
    assert (running(registry), waiting(registry), len(registry._jobs)) == (2, 0, 2)
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_statements_run_side_by_side(registry: DatabaseRegistry, clock: MovedTime) -> None:
    """Two threads take two statements at once, and the event loop stays free meanwhile."""
    results = asyncio.gather(*(registry.execute("shop", ENDLESS, AMPLE) for _ in range(2)))
    await until(lambda: running(registry) == 2)
    await passes()
    assert running(registry) == 2
    clock.advance(AMPLE)
    assert [result.error_kind for result in await results] == ["timeout", "timeout"]


async def test_an_unknown_database_names_the_known_ones(registry: DatabaseRegistry) -> None:
    """The error says what there is, for the client that mistyped."""
    with pytest.raises(NotFoundError, match="'shpo'; known: shop") as caught:
        await registry.execute("shpo", "SELECT 1", AMPLE)
    assert caught.value.field == "database"
    with pytest.raises(NotFoundError):
        registry.schema("shpo")


def test_a_wrong_file_is_refused_at_registration(tmp_path: Path, shop_path: Path) -> None:
    """Missing files, folders, foreign files and taken names are configuration errors with the path."""
    (tmp_path / "text.sqlite").write_text("this is no database " * 100)
    with closing(DatabaseRegistry()) as registry:
        for path, message in (
            (tmp_path / "none.sqlite", "there is no file"),
            (tmp_path, "there is no file"),
            (tmp_path / "text.sqlite", "file is not a database"),
        ):
            with pytest.raises(ConfigError, match=message) as caught:
                registry.register("new", SqliteDatabase, str(path))
            assert str(path) in str(caught.value)
        registry.register("shop", SqliteDatabase, str(shop_path))
        with pytest.raises(ConfigError, match="two databases are named 'shop'"):
            registry.register("shop", SqliteDatabase, str(shop_path))
        assert registry.names() == ("shop",)
        assert not (tmp_path / "none.sqlite").exists()


def test_the_schema_is_read_once(shop_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Introspection of a large file is slow, so its result is remembered."""
    for registry in limited(shop_path):
        first = registry.schema("shop")
        monkeypatch.setattr(SqliteDatabase, "introspect", None)
        assert registry.schema("shop") is first
        assert "orders" in [table.name for table in first.tables]


async def test_closing_interrupts_what_runs(shop_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Close ends running and waiting statements before it returns; later ones are refused."""
    monkeypatch.setattr(database_registry, "_CLOSE_SECONDS", AMPLE)
    registry = DatabaseRegistry(max_concurrency=1)
    registry.register("shop", SqliteDatabase, str(shop_path))
    tasks = [asyncio.create_task(registry.execute("shop", ENDLESS, AMPLE)) for _ in range(2)]
    await until(lambda: (running(registry), waiting(registry)) == (1, 1))
    registry.close()
    assert registry._jobs == {}
    assert [result.error_kind for result in await asyncio.gather(*tasks)] == ["unavailable"] * 2
    assert (await registry.execute("shop", "SELECT 1", 1)).error == "the databases are closed"
    registry.close()


async def test_closing_waits_a_second_at_most(
    registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be interrupted doesn't hold it up for longer."""
    assert database_registry._CLOSE_SECONDS == 1
    go_on = threading.Event()
    monkeypatch.setattr(statement_module, "check_select", lambda text, _: text if go_on.wait(GUARD) else "")
    monkeypatch.setattr(database_registry, "_CLOSE_SECONDS", 0.01)
    task = asyncio.create_task(registry.execute("shop", "SELECT 1", AMPLE))
    await until(lambda: len(registry._jobs) == 1 and waiting(registry) == 0)
    registry.close()
    assert len(registry._jobs) == 1
    go_on.set()
    assert (await task).error_kind == "unavailable"


def test_reading_leaves_nothing_behind(tmp_path: Path, shop_path: Path) -> None:
    """Opening and asking a database creates no journal or other file beside it."""
    shutil.copy(shop_path, tmp_path / "shop.sqlite")
    for registry in limited(tmp_path / "shop.sqlite"):
        assert registry.schema("shop").tables
        assert [path.name for path in tmp_path.iterdir()] == ["shop.sqlite"]
