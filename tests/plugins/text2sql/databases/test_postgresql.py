"""What only PostgreSQL has: its types, schemas, statistics, roles, and a server that comes and goes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psutil
import psycopg
import pytest

from launch.database_kinds import kind_of
from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.postgresql import postgresql_database
from plugins.text2sql.databases.postgresql.postgresql_database import PostgresqlDatabase
from plugins.text2sql.databases.schema import Kind, Table, render
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from sched.errors import UnavailableError
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.running_statements import (
    AMPLE,
    CROSS_JOIN,
    MovedTime,
    running,
    until,
    until_idle,
)
from tests.plugins.text2sql.databases.shops import READER_PASSWORD
from tests.postgresql_server import PostgresqlServer

NAME = "postgresql"


@pytest.fixture
def registry(shops: Shops) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry(NAME)) as registry:
        yield registry


@contextmanager
def scratch(server: PostgresqlServer, statements: str, **limits: Any) -> Iterator[DatabaseRegistry]:
    """Open a database of its own, made by ``statements``, as its owner."""
    with server.connect() as connection:
        connection.execute("CREATE DATABASE scratch")
    try:
        with server.connect("scratch") as connection:
            connection.execute(statements.encode())
        with closing(DatabaseRegistry(**limits)) as registry:
            registry.register(NAME, kind_of(NAME, "postgresql://"), server.address("scratch"))
            yield registry
    finally:
        with server.connect() as connection:
            connection.execute("DROP DATABASE scratch WITH (FORCE)")


def tables_of(registry: DatabaseRegistry) -> dict[str, Table]:
    return {table.name: table for table in registry.schema(NAME).tables}


async def test_types_reach_json(registry: DatabaseRegistry) -> None:
    """As PostgreSQL's own text where Python's types know less: infinity, months, years before Christ."""
    result = await registry.execute(NAME, "SELECT * FROM odd_values", AMPLE)
    assert dict(zip(result.columns, result.rows[0], strict=True)) == {
        "id": 1,
        "money": 12.5,
        "whole": 7,
        "moment": "2025-01-31T08:30:00",
        "moment_there": "2025-01-31T08:30:00+00:00",
        "day": "2025-01-31",
        "hour": "08:30:00",
        "span": "PT26H",
        "key": "7c7ddf2c-5fd2-4ad0-9fd6-2cd5bd54e4a9",
        "list": [1, 2],
        "struct": {"a": 1, "b": ["x"]},
        "mood": "cross",
        "bytes": "00ff",
        "nan": "nan",
        "inf": "inf",
        "yes": True,
        "nothing": None,
        "huge": "170141183460469231731687303715884105727",
        "big": 9223372036854775807,
        "months": "P1Y2M",
        "forever": "infinity",
        "range": "[1,5)",
        "net": "10.0.0.1/8",
        "texts": ["{1,2}", "{3,4}"],
        "days": ["2025-01-31"],
        "ides": "0044-03-15 BC",
        "word": "Cost €",
    }


async def test_schemas_and_names(registry: DatabaseRegistry) -> None:
    """Tables of other schemas have it in front of their name; what the prompt shows can be written."""
    tables = tables_of(registry)
    assert {"orders", "archive.orders", "MixedCase", "Odd Schema.Select"} <= tables.keys()
    assert "secret" not in tables
    text = render(registry.schema(NAME))
    assert 'CREATE TABLE "Odd Schema"."Select" (' in text
    assert "CREATE TABLE archive.orders (" in text
    unknown = await registry.execute(NAME, "SELECT * FROM archive.order", AMPLE)
    assert "near: archive.orders" in (unknown.error or "")


def test_views_partitions_and_comments(registry: DatabaseRegistry) -> None:
    """Partitions are read through their table; a materialized view is one."""
    tables = tables_of(registry)
    assert tables["events"].row_count == 300
    assert not any(name.startswith("events_") for name in tables)
    assert tables["open_orders"].view
    assert (tables["totals"].row_count, tables["totals"].view) == (6, False)
    assert tables["customers"].description == "everyone who ever bought"
    columns = {column.name: column for column in tables["customers"].columns}
    assert columns["segment"].description == "consumer, business or premium"


def test_values_come_from_statistics_or_a_sample(registry: DatabaseRegistry) -> None:
    """Enums list their labels; a table that was never analysed is looked at."""
    tables = tables_of(registry)
    odd = {column.name: column for column in tables["odd_values"].columns}
    assert (odd["mood"].kind, odd["mood"].choices) == (Kind.TEXT, ("calm", "cross"))
    assert odd["key"].kind is odd["list"].kind is odd["yes"].kind is odd["hour"].kind is Kind.OTHER
    (note, number) = tables["unknown_yet"].columns
    assert (note.samples, number.samples) == (("never analysed",), (7,))
    assert tables["unknown_yet"].row_count == 1


def test_a_reader_is_not_warned_about(registry: DatabaseRegistry) -> None:
    """It may only read."""
    registry.schema(NAME)
    assert registry.state(NAME).warnings == ()


def test_a_role_that_may_write_is_told(postgresql_server: PostgresqlServer) -> None:
    """A superuser may do anything."""
    with scratch(postgresql_server, "CREATE TABLE t (a text)") as registry:
        registry.schema(NAME)
        assert registry.state(NAME).warnings == (
            "the role is superuser; give the server one that may only read",
            "the role may write to t; give the server one that may only read",
        )


async def test_a_superuser_cannot_write_either(
    postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction only reads, and a cursor takes nothing but a SELECT."""
    made = "CREATE TABLE t (a integer); INSERT INTO t VALUES (1); CREATE SEQUENCE s"
    with scratch(postgresql_server, made) as registry:
        monkeypatch.setattr("plugins.text2sql.databases.statement.check_select", lambda text, _: text)
        monkeypatch.setattr(PostgresqlDatabase, "_check", lambda *_: None)
        for statement in (
            "DELETE FROM t",
            "WITH d AS (DELETE FROM t RETURNING a) SELECT * FROM d",
            "SELECT setval('s', 7)",
            "SELECT lo_import('/etc/passwd')",
            "COPY t TO PROGRAM 'id'",
            "SELECT 1; DELETE FROM t",
            "SELECT set_config('transaction_read_only', 'off', false)",
        ):
            assert not (await registry.execute(NAME, statement, AMPLE)).ok, statement
        assert (await registry.execute(NAME, "SELECT count(*) FROM t", AMPLE)).rows == ((1,),)


def test_a_schema_that_changed_is_read_again(postgresql_server: PostgresqlServer) -> None:
    """Tables, columns, comments, labels of enums and rights; not the data."""
    made = "CREATE TYPE mood AS ENUM ('calm'); CREATE TABLE t (a text, m mood)"
    with scratch(postgresql_server, made) as registry:
        before = registry.schema(NAME)
        with postgresql_server.connect("scratch") as owner:
            owner.execute("INSERT INTO t VALUES ('x', 'calm')")
            assert not registry.refresh(NAME)
            assert registry.schema(NAME) is before
            for change in (
                "ALTER TABLE t ADD COLUMN b integer",
                "COMMENT ON TABLE t IS 'things'",
                "ALTER TYPE mood ADD VALUE 'cross'",
                "CREATE TABLE u (c text)",
                "ALTER TABLE t RENAME TO things",
                "DROP TABLE u",
            ):
                owner.execute(change.encode())
                assert registry.refresh(NAME), change
        assert [column.name for column in tables_of(registry)["things"].columns] == ["a", "m", "b"]


def test_the_identity_changes_with_the_statistics(postgresql_server: PostgresqlServer) -> None:
    """So the index of values follows them."""
    with scratch(postgresql_server, "CREATE TABLE t (a text)") as registry:
        database = registry.database(NAME)
        before = database.identity()
        with postgresql_server.connect("scratch") as owner:
            owner.execute("INSERT INTO t SELECT 'x' || i FROM generate_series(1, 1000) AS i")
            owner.execute("ANALYZE t")
        assert database.identity() != before


def test_a_large_column_is_known_by_its_statistics(postgresql_server: PostgresqlServer) -> None:
    """It isn't read; a column of few values is, in a sample of a large table."""
    made = (
        "CREATE TABLE t AS SELECT 'name ' || i AS name, 'kind ' || i % 150 AS kind, i % 7 AS n "
        "FROM generate_series(1, 250000) AS i; ANALYZE t"
    )
    with scratch(postgresql_server, made) as registry:
        schema, database = registry.schema(NAME), registry.database(NAME)
        found = scan_values(database, schema, ScanLimits(), lambda: False)
        assert [column.name for column in found.large] == ["name"]
        assert found.in_part == ("t.kind",)
        assert set(found.values) == {f"kind {i}" for i in range(150)}
        few = database.distinct("t", "name", ValueSpan(1, 64, 2_000_000), 10, lambda: False)
        assert few.more
        assert 0 < len(few.values) <= 10
        assert database.equal("t", "name", ["name 7", "name x"], 5, lambda: False) == ["name 7"]


def test_the_number_of_tables_adds_no_queries(
    postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once they have been analysed."""
    queries = []
    execute = psycopg.Connection.execute

    def noted(connection: psycopg.Connection[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        queries.append(query)
        return execute(connection, query, *arguments, **options)

    one = "CREATE TABLE t{0} AS SELECT i AS id, 'x' || i AS name FROM generate_series(1, 9) AS i;"
    counts = set()
    for number in (2, 30):
        made = "".join(map(one.format, range(number))) + "ANALYZE"
        with scratch(postgresql_server, made) as registry:
            registry.database(NAME).identity()
            with monkeypatch.context() as patched:
                patched.setattr(psycopg.Connection, "execute", noted)
                queries.clear()
                assert len(registry.schema(NAME).tables) == number
            counts.add(len(queries))
    assert len(counts) == 1


def test_the_catalogue_has_a_time_of_its_own(shops: Shops, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short limit of statements keeps no large schema from being read."""
    limits = []

    def limit(connection: psycopg.Connection[Any], *_: object) -> str:
        row = connection.execute("SELECT current_setting('statement_timeout')").fetchone()
        limits.append(row[0] if row else None)
        return "same"

    monkeypatch.setattr(postgresql_database, "schema_identity", limit)
    with closing(shops.registry(NAME, max_seconds=7)) as registry:
        database = registry.database(NAME)
        assert database.schema_identity() == "same"
        monkeypatch.setattr(postgresql_database, "equal_values", limit)
        database.equal("customers", "email", ["a"], 1, lambda: False)
    assert limits == ["20s", "7s"]


def test_a_column_that_takes_too_long_leaves_the_others(postgresql_server: PostgresqlServer) -> None:
    """The index says that it has only a part of it."""
    slow = "CREATE VIEW slow AS SELECT 'a' || pg_sleep(1000)::text AS word"
    with scratch(postgresql_server, slow, max_seconds=0.1) as registry:
        found = registry.database(NAME).distinct("slow", "word", ValueSpan(1, 64, 9), 5, lambda: False)
    assert (found.values, found.in_part) == ((), True)


def test_a_reading_that_is_stopped_gives_up(postgresql_server: PostgresqlServer) -> None:
    """With an error, so that the index isn't taken for complete."""
    slow = "CREATE VIEW slow AS SELECT 'a' || pg_sleep(1000)::text AS word"
    with scratch(postgresql_server, slow) as registry:
        database = registry.database(NAME)
        for read in (database.equal, database.beginning):
            with pytest.raises(UnavailableError):
                read("slow", "word", ["a"], 5, lambda: True)
        with pytest.raises(UnavailableError):
            database.distinct("slow", "word", ValueSpan(1, 64, 1000), 5, lambda: True)


@pytest.mark.parametrize(
    ("user", "database", "password", "reason"),
    [
        ("reader", "shop", "wrong-password", "password authentication failed"),
        ("reader", "nowhere", READER_PASSWORD, 'database "nowhere" does not exist'),
    ],
)
async def test_what_cannot_be_opened_says_why(
    postgresql_server: PostgresqlServer, shops: Shops, user: str, database: str, password: str, reason: str
) -> None:
    """In schema and statements, without the password."""
    with closing(DatabaseRegistry()) as registry:
        address = postgresql_server.address(database, user, password)
        registry.register(NAME, kind_of(NAME, address), address)
        with pytest.raises(UnavailableError, match=reason) as caught:
            registry.schema(NAME)
        result = await registry.execute(NAME, "SELECT 1", AMPLE)
    assert result.error_kind == "unavailable"
    assert reason in (registry.state(NAME).reason or "")
    assert password not in f"{caught.value} {result.error} {registry.state(NAME)}"


async def test_a_server_may_end_and_start_again(postgresql_server: PostgresqlServer, shops: Shops) -> None:
    """Meanwhile questions get an error, others are served, and the state says so; then it comes back."""
    with closing(shops.registry(NAME, "duckdb", max_concurrency=2)) as registry:
        schema = registry.schema(NAME)
        endless = asyncio.create_task(registry.execute(NAME, CROSS_JOIN, AMPLE))
        await until(lambda: running(registry) == 1)
        try:
            postgresql_server.stop()
            assert (await endless).error_kind == "unavailable"
            down = await registry.execute(NAME, "SELECT count(*) FROM orders", AMPLE)
            assert down.error_kind == "unavailable"
            assert "Connection refused" in (down.error or "")
            registry.refresh(NAME)
            assert registry.names() == ("duckdb",)
            assert "Connection refused" in (registry.state(NAME).reason or "")
            assert (await registry.execute("duckdb", "SELECT 1", AMPLE)).ok
            assert registry.schema(NAME) is schema
        finally:
            postgresql_server.start()
        assert (await registry.execute(NAME, "SELECT count(*) FROM orders", AMPLE)).rows == ((4500,),)
        assert not registry.refresh(NAME)
        assert registry.names() == (NAME, "duckdb")


async def test_a_server_that_is_down_at_the_start_is_found_later(
    postgresql_server: PostgresqlServer, shops: Shops
) -> None:
    """Asking for the schema doesn't connect again and again: that is the refresher's."""
    postgresql_server.stop()
    try:
        with closing(shops.registry(NAME)) as registry:
            with pytest.raises(UnavailableError, match="Connection refused"):
                registry.schema(NAME)
            assert not registry.refresh(NAME)
            postgresql_server.start()
            with pytest.raises(UnavailableError, match="Connection refused"):
                registry.schema(NAME)
            assert registry.refresh(NAME)
            assert registry.names() == (NAME,)
            assert "orders" in tables_of(registry)
    finally:
        if not _runs(postgresql_server):
            postgresql_server.start()


def _runs(server: PostgresqlServer) -> bool:
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


async def test_a_server_that_stands_still_holds_nobody(
    postgresql_server: PostgresqlServer, shops: Shops
) -> None:
    """The statement ends at its limit, and soon its thread is free: the connection is cut."""
    clock = MovedTime(asyncio.get_running_loop())
    with closing(shops.registry(NAME, "duckdb", max_concurrency=1, clock=clock)) as registry:
        assert (await registry.execute(NAME, "SELECT 1", AMPLE)).ok
        server = psutil.Process(postgresql_server.pid)
        processes = [server, *server.children(recursive=True)]
        answer = asyncio.create_task(registry.execute(NAME, CROSS_JOIN, 5000))
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
        assert (await registry.execute(NAME, "SELECT 1", AMPLE)).ok
