"""Databases are read-only, statements end in time and within their limits, errors are results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql import databases
from plugins.text2sql.databases import DatabaseRegistry
from plugins.text2sql.shop import build_shop
from sched.errors import ConfigError, NotFoundError
from sched.workflow import SqlBackend

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
CROSS_JOIN = "SELECT count(*) FROM order_items a, order_items b, order_items c WHERE a.id < b.id + c.id"
HEAVY_CALLS = "SELECT sum(length(hex(zeroblob(100000)))) FROM order_items a, order_items b"


@pytest.fixture(scope="module")
def shop_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("databases") / "a shop?.sqlite"
    build_shop(path)
    return path


@pytest.fixture
async def registry(shop_path: Path) -> AsyncIterator[DatabaseRegistry]:
    registry = DatabaseRegistry(max_concurrency=2)
    registry.register("shop", shop_path)
    yield registry
    registry.close()


def limited(path: Path, **limits: int) -> Iterator[DatabaseRegistry]:
    registry = DatabaseRegistry(**limits)
    registry.register("shop", path)
    with closing(registry):
        yield registry


async def test_rows_come_back_with_columns_and_time(registry: DatabaseRegistry) -> None:
    """A good statement gives its columns, rows and time, also to a caller that knows only the protocol."""
    backend: SqlBackend = registry
    result = await backend.execute("shop", "SELECT id, name AS n FROM categories ORDER BY id LIMIT 2;", 5)
    assert result.ok
    assert result.columns == ("id", "n")
    assert [row[0] for row in result.rows] == [1, 2]
    assert not result.truncated
    assert 0 < result.seconds < 5
    assert result.error_kind is None


@pytest.mark.parametrize("statement", [ENDLESS, CROSS_JOIN, HEAVY_CALLS])
async def test_a_runaway_statement_stops_at_its_limit(registry: DatabaseRegistry, statement: str) -> None:
    """The answer comes at the limit and the thread is free again at once, however heavy the rows."""
    started = time.monotonic()
    result = await registry.execute("shop", statement, 0.3)
    assert 0.25 < time.monotonic() - started < 1
    assert result.error_kind == "timeout"
    assert result.error == "the statement was stopped at its time limit of 0.3 s"
    assert 0.2 < result.seconds < 1
    assert (await registry.execute("shop", "SELECT 1", 2)).ok
    assert registry._jobs == {}


async def test_a_limit_in_the_past_is_a_result_too(registry: DatabaseRegistry) -> None:
    """A workflow past its deadline gets an error at once and nothing keeps running."""
    result = await registry.execute("shop", ENDLESS, -1.0)
    assert result.error_kind in ("timeout", "unavailable")
    await until_idle(registry)


async def until_idle(registry: DatabaseRegistry) -> None:
    """Wait until no statement holds a thread; all must have been stopped already."""
    _, running = await asyncio.to_thread(wait, list(registry._jobs), 2)
    assert not running


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.2])
async def test_cancelling_the_caller_interrupts_the_statement(
    registry: DatabaseRegistry, delay: float
) -> None:
    """Whether it runs, is just starting or still waits: after a cancel its thread is free again."""
    tasks = [asyncio.create_task(registry.execute("shop", ENDLESS, 60)) for _ in range(4)]
    await asyncio.sleep(delay)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 2)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await until_idle(registry)
    assert (await registry.execute("shop", "SELECT 1", 1)).ok


async def test_an_interrupt_hits_only_its_own_statement(registry: DatabaseRegistry) -> None:
    """While others time out over and over, short statements on the same threads never fail."""

    async def endless() -> None:
        for _ in range(8):
            assert (await registry.execute("shop", ENDLESS, 0.02)).error_kind == "timeout"

    async def short() -> None:
        for _ in range(60):
            result = await registry.execute("shop", "SELECT count(*) FROM customers", 5)
            assert result.rows == ((1500,),), result.error

    await asyncio.wait_for(asyncio.gather(endless(), short()), 30)


async def test_waiting_for_a_thread_counts_towards_the_limit(registry: DatabaseRegistry) -> None:
    """With all threads busy a statement is given up at its limit, as unavailable, and never runs."""
    busy = [asyncio.create_task(registry.execute("shop", ENDLESS, 10)) for _ in range(2)]
    await asyncio.sleep(0.1)
    started = time.monotonic()
    result = await registry.execute("shop", "SELECT 1", 0.2)
    assert time.monotonic() - started < 2
    assert result.error_kind == "unavailable"
    assert result.error == "no database thread was free within 0.2 s"
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_statements_run_side_by_side(registry: DatabaseRegistry) -> None:
    """Two threads take two statements at once, and the event loop stays free meanwhile."""
    started = time.monotonic()
    results = asyncio.gather(*(registry.execute("shop", ENDLESS, 0.5) for _ in range(2)))
    ticks = 0
    while not results.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert time.monotonic() - started < 2
    assert ticks > 10
    assert [result.error_kind for result in await results] == ["timeout", "timeout"]


async def test_an_unknown_database_names_the_known_ones(registry: DatabaseRegistry) -> None:
    """The error says what there is, for the client that mistyped."""
    with pytest.raises(NotFoundError, match="'shpo'; known: shop") as caught:
        await registry.execute("shpo", "SELECT 1", 1)
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
                registry.register("new", path)
            assert str(path) in str(caught.value)
        registry.register("shop", shop_path)
        with pytest.raises(ConfigError, match="two databases are named 'shop'"):
            registry.register("shop", shop_path)
        assert registry.names() == ("shop",)
        assert not (tmp_path / "none.sqlite").exists()


def test_the_schema_is_read_once(shop_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Introspection of a large file is slow, so its result is remembered."""
    for registry in limited(shop_path):
        first = registry.schema("shop")
        monkeypatch.setattr(databases, "introspect", None)
        assert registry.schema("shop") is first
        assert "orders" in [table.name for table in first.tables]


async def test_closing_interrupts_what_runs(shop_path: Path) -> None:
    """Close ends running and waiting statements within a second; later ones are refused."""
    registry = DatabaseRegistry(max_concurrency=1)
    registry.register("shop", shop_path)
    tasks = [asyncio.create_task(registry.execute("shop", ENDLESS, 60)) for _ in range(2)]
    await asyncio.sleep(0.1)
    started = time.monotonic()
    registry.close()
    results = await asyncio.wait_for(asyncio.gather(*tasks), 2)
    assert time.monotonic() - started < 1.5
    assert [result.error_kind for result in results] == ["unavailable", "unavailable"]
    assert (await registry.execute("shop", "SELECT 1", 1)).error == "the databases are closed"
    registry.close()


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    """Opening and asking a database creates no journal or other file beside it."""
    build_shop(tmp_path / "shop.sqlite")
    for registry in limited(tmp_path / "shop.sqlite"):
        assert registry.schema("shop").tables
        assert [path.name for path in tmp_path.iterdir()] == ["shop.sqlite"]
