"""What only PostgreSQL has: its types, schemas, statistics and roles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from launch.bench.databases.postgresql_server import PostgresqlServer
from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.postgresql.postgresql_database import PostgresqlDatabase
from plugins.text2sql.databases.schema import Kind, render
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.running_statements import AMPLE
from tests.plugins.text2sql.databases.server_kinds import scratch, tables_of

NAME = "postgresql"


@pytest.fixture
def registry(shops: Shops) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry(NAME)) as registry:
        yield registry


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
    tables = tables_of(registry, NAME)
    assert {"orders", "archive.orders", "MixedCase", "Odd Schema.Select"} <= tables.keys()
    assert "secret" not in tables
    text = render(registry.schema(NAME))
    assert 'CREATE TABLE "Odd Schema"."Select" (' in text
    assert "CREATE TABLE archive.orders (" in text
    unknown = await registry.execute(NAME, "SELECT * FROM archive.order", AMPLE)
    assert "near: archive.orders" in (unknown.error or "")


def test_views_partitions_and_comments(registry: DatabaseRegistry) -> None:
    """Partitions are read through their table; a materialized view is one."""
    tables = tables_of(registry, NAME)
    assert tables["events"].row_count == 300
    assert not any(name.startswith("events_") for name in tables)
    assert tables["open_orders"].view
    assert (tables["totals"].row_count, tables["totals"].view) == (6, False)
    assert tables["customers"].description == "everyone who ever bought"
    columns = {column.name: column for column in tables["customers"].columns}
    assert columns["segment"].description == "consumer, business or premium"


def test_values_come_from_statistics_or_a_sample(registry: DatabaseRegistry) -> None:
    """Enums list their labels; a table that was never analysed is looked at."""
    tables = tables_of(registry, NAME)
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
    with scratch(postgresql_server, NAME, "CREATE TABLE t (a text)") as registry:
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
    with scratch(postgresql_server, NAME, made) as registry:
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


def test_a_large_column_is_known_by_its_statistics(postgresql_server: PostgresqlServer) -> None:
    """It isn't read; a column of few values is, in a sample of a large table."""
    made = (
        "CREATE TABLE t AS SELECT 'name ' || i AS name, 'kind ' || i % 150 AS kind, i % 7 AS n "
        "FROM generate_series(1, 250000) AS i; ANALYZE t"
    )
    with scratch(postgresql_server, NAME, made) as registry:
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
        with scratch(postgresql_server, NAME, made) as registry:
            registry.database(NAME).identity()
            with monkeypatch.context() as patched:
                patched.setattr(psycopg.Connection, "execute", noted)
                queries.clear()
                assert len(registry.schema(NAME).tables) == number
            counts.add(len(queries))
    assert len(counts) == 1
