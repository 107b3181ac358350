"""Kinds with a server: what changes there, servers that come and go, statements that would never end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import closing
from typing import Any

import psutil
import pytest

from launch.database_kinds import kind_of
from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.relational.column_facts import Sampled
from plugins.text2sql.databases.relational.server_database import ServerDatabase
from sched.errors import UnavailableError
from tests.plugins.text2sql.databases.conftest import MARIADB, Shops
from tests.plugins.text2sql.databases.running_statements import (
    AMPLE,
    CROSS_JOIN,
    MovedTime,
    running,
    until,
    until_idle,
)
from tests.plugins.text2sql.databases.server_kinds import (
    ServerKind,
    of_mariadb,
    of_postgresql,
    scratch,
    tables_of,
)
from tests.plugins.text2sql.databases.shops import READER, READER_PASSWORD


@pytest.fixture(params=["postgresql", MARIADB])
def of(request: pytest.FixtureRequest, shops: Shops) -> ServerKind:
    """Every kind with a server in turn."""
    if request.param == "postgresql":
        return of_postgresql(request.getfixturevalue("postgresql_server"))
    return of_mariadb(request.getfixturevalue("with_mariadb"))


def _database(registry: DatabaseRegistry, name: str) -> ServerDatabase[Any, Any]:
    found = registry.database(name)
    assert isinstance(found, ServerDatabase)
    return found


def _limit(of: ServerKind, connection: Any) -> object:
    with connection.cursor() as cursor:
        cursor.execute(of.limit)
        return cursor.fetchone()[0]


def test_a_schema_that_changed_is_read_again(of: ServerKind) -> None:
    """Tables, columns, comments and labels of enums; not the data."""
    with scratch(of.server, of.name, of.made) as registry:
        before = registry.schema(of.name)
        of.server.script(of.data, "scratch")
        assert not registry.refresh(of.name)
        assert registry.schema(of.name) is before
        for change in of.changes:
            of.server.script(change, "scratch")
            assert registry.refresh(of.name), change
        assert [column.name for column in tables_of(registry, of.name)["things"].columns] == ["a", "m", "b"]


def test_the_identity_changes_with_the_rows(of: ServerKind) -> None:
    """Once they have been analysed.  So the index of values follows them."""
    with scratch(of.server, of.name, f"CREATE TABLE t AS {of.words}; {of.analyse}") as registry:
        database = registry.database(of.name)
        before = database.identity()
        of.server.script(f"INSERT INTO t {of.words}; {of.analyse}", "scratch")
        assert database.identity() != before


def test_the_reading_of_a_schema_keeps_nobody_waiting(
    of: ServerKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that was sampled can be altered while the next one is."""
    with scratch(
        of.server, of.name, f"CREATE TABLE a AS {of.words}; CREATE TABLE b AS {of.words}"
    ) as registry:
        database = _database(registry, of.name)
        sample = database._sample

        def altering(connection: Any, table: Any) -> Sampled:
            if table.name == "b":
                of.server.script(f"{of.impatient}; ALTER TABLE a ADD COLUMN more INTEGER", "scratch")
            return sample(connection, table)

        monkeypatch.setattr(database, "_sample", altering)
        tables = tables_of(registry, of.name)
    assert tables["a"].columns[0].samples
    assert tables["b"].columns[0].samples


def test_the_catalogue_has_a_time_of_its_own(
    of: ServerKind, shops: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short limit of statements keeps no large schema from being read, and then holds again."""
    with closing(shops.registry(of.name, max_seconds=7, max_concurrency=1)) as registry:
        database = _database(registry, of.name)
        monkeypatch.setattr(database, "_schema_identity", lambda connection: _limit(of, connection))
        looking = database.schema_identity()
        with database._connections.transaction() as (connection, _):
            statement = _limit(of, connection)
    assert (looking, statement) == of.limits


def test_a_column_that_takes_too_long_leaves_the_others(of: ServerKind) -> None:
    """The index says that it has only a part of it."""
    with scratch(of.server, of.name, f"CREATE VIEW slow AS {of.slow}", max_seconds=0.2) as registry:
        assert not tables_of(registry, of.name)["slow"].columns[0].samples
        read = registry.database(of.name).distinct("slow", "word", ValueSpan(1, 64, 9), 5, lambda: False)
    assert (list(read.values), read.in_part) == ([], True)


def test_a_reading_that_is_stopped_gives_up(of: ServerKind) -> None:
    """With an error, so that the index isn't taken for complete."""
    with scratch(of.server, of.name, f"CREATE VIEW slow AS {of.slow}") as registry:
        database = registry.database(of.name)
        for read in (database.equal, database.beginning):
            with pytest.raises(UnavailableError):
                read("slow", "word", ["a"], 5, lambda: True)
        with pytest.raises(UnavailableError):
            database.distinct("slow", "word", ValueSpan(1, 64, 1000), 5, lambda: True)


def test_names_with_percent_are_looked_up(of: ServerKind) -> None:
    """To the drivers, it begins a parameter."""
    with scratch(of.server, of.name, f"CREATE TABLE t AS {of.words}") as registry:
        quote = registry.database(of.name).dialect.identifier
        of.server.script(f"CREATE TABLE {quote('50% off')} AS SELECT a AS {quote('100%s')} FROM t", "scratch")
        database = registry.database(of.name)
        assert list(database.equal("50% off", "100%s", ["x7", "y"], 5, lambda: False)) == ["x7"]
        assert list(database.beginning("50% off", "100%s", ["X99"], 2, lambda: False)) == ["x99", "x990"]
        read = database.distinct("50% off", "100%s", ValueSpan(1, 9, 9), 5, lambda: False)
        assert len(read.values) == 5


async def test_an_answer_that_is_cut_costs_nothing_more(of: ServerKind, shops: Shops) -> None:
    """The server isn't asked for the other rows, and the next statement runs."""
    with closing(shops.registry(of.name, max_rows=3, max_concurrency=1)) as registry:
        endless = "SELECT a.id FROM order_items AS a, order_items AS b, order_items AS c"
        for _ in range(4):
            result = await registry.execute(of.name, endless, AMPLE)
            assert (len(result.rows), result.truncated) == (3, True)
        assert (await registry.execute(of.name, "SELECT 1", AMPLE)).rows == ((1,),)


@pytest.mark.parametrize(("database", "password"), [("shop", "wrong-password"), ("nowhere", READER_PASSWORD)])
async def test_what_cannot_be_opened_says_why(
    of: ServerKind, shops: Shops, database: str, password: str
) -> None:
    """In schema and statements, without the password."""
    reason = of.refusals[database == "nowhere"]
    with closing(DatabaseRegistry()) as registry:
        address = of.server.address(database, READER, password)
        registry.register(of.name, kind_of(of.name, address), address)
        with pytest.raises(UnavailableError, match=reason) as caught:
            registry.schema(of.name)
        result = await registry.execute(of.name, "SELECT 1", AMPLE)
        state = registry.state(of.name)
    assert result.error_kind == "unavailable"
    assert state.reason
    assert password not in f"{caught.value} {result.error} {state}"


async def test_a_server_may_end_and_start_again(of: ServerKind, shops: Shops) -> None:
    """Meanwhile questions get an error, others are served, and the state says so; then it comes back."""
    with closing(shops.registry(of.name, "duckdb", max_concurrency=2)) as registry:
        schema = registry.schema(of.name)
        endless = asyncio.create_task(registry.execute(of.name, CROSS_JOIN, AMPLE))
        await until(lambda: running(registry) == 1)
        try:
            of.server.stop()
            assert (await endless).error_kind == "unavailable"
            down = await registry.execute(of.name, "SELECT count(*) FROM orders", AMPLE)
            assert down.error_kind == "unavailable"
            assert "Connection refused" in (down.error or "")
            registry.refresh(of.name)
            assert registry.names() == ("duckdb",)
            assert "Connection refused" in (registry.state(of.name).reason or "")
            assert (await registry.execute("duckdb", "SELECT 1", AMPLE)).ok
            assert registry.schema(of.name) is schema
        finally:
            of.server.start()
        assert (await registry.execute(of.name, "SELECT count(*) FROM orders", AMPLE)).rows == ((4500,),)
        registry.refresh(of.name)
        assert registry.names() == (of.name, "duckdb")


async def test_a_server_that_is_down_at_the_start_is_found_later(of: ServerKind, shops: Shops) -> None:
    """Asking for the schema doesn't connect again and again: that is the refresher's."""
    of.server.stop()
    try:
        with closing(shops.registry(of.name)) as registry:
            with pytest.raises(UnavailableError, match="Connection refused"):
                registry.schema(of.name)
            assert not registry.refresh(of.name)
            of.server.start()
            with pytest.raises(UnavailableError, match="Connection refused"):
                registry.schema(of.name)
            assert registry.refresh(of.name)
            assert registry.names() == (of.name,)
            assert "orders" in tables_of(registry, of.name)
    finally:
        if not of.server.answers():
            of.server.start()


async def test_a_server_that_stands_still_holds_nobody(of: ServerKind, shops: Shops) -> None:
    """The statement ends at its limit, and soon its thread is free: the connection is cut."""
    clock = MovedTime(asyncio.get_running_loop())
    with closing(shops.registry(of.name, "duckdb", max_concurrency=1, clock=clock)) as registry:
        assert (await registry.execute(of.name, "SELECT 1", AMPLE)).ok
        server = psutil.Process(of.server.pid)
        processes = [server, *server.children(recursive=True)]
        answer = asyncio.create_task(registry.execute(of.name, CROSS_JOIN, 5000))
        await until(lambda: running(registry) == 1)
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            clock.advance(5000)
            assert (await answer).error_kind == "timeout"
            await until_idle(registry)
            assert (await registry.execute("duckdb", "SELECT 1", AMPLE)).ok
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)
        assert (await registry.execute(of.name, "SELECT 1", AMPLE)).ok
