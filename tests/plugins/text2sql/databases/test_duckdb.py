"""What only DuckDB has: its types, schemas, a file that is replaced, options in its address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from launch.database_kinds import kind_of, resolved
from plugins.text2sql.databases.database import ColumnValues, ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.duckdb import duckdb_introspection
from plugins.text2sql.databases.duckdb.duckdb_database import DuckdbDatabase
from plugins.text2sql.databases.relational.listed_table import ListedTable
from plugins.text2sql.databases.schema import Kind, render
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from sched.errors import ConfigError, UnavailableError
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.running_statements import AMPLE, ENDLESS

NAME = "duckdb"


@pytest.fixture
def registry(shops: Shops) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry(NAME)) as registry:
        yield registry


def made(path: Path, statements: str) -> str:
    """Write a file and return its address."""
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute(statements)
    return f"duckdb:///{path}"


def opened(address: str) -> DatabaseRegistry:
    registry = DatabaseRegistry()
    registry.register(NAME, kind_of(NAME, address), address)
    return registry


async def test_types_reach_json(registry: DatabaseRegistry) -> None:
    """Structs and lists are objects and arrays."""
    result = await registry.execute(NAME, "SELECT * FROM odd_values", AMPLE)
    assert dict(zip(result.columns, result.rows[0], strict=True)) == {
        "id": 1,
        "money": 12.5,
        "whole": 7,
        "moment": "2025-01-31T08:30:00",
        "moment_there": "2025-01-31T08:30:00+00:00",
        "day": "2025-01-31",
        "hour": "08:30:00",
        "span": "P1DT2H",
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
    }


@pytest.mark.parametrize("value", ["to_days(2000000000)", "[to_days(2000000000)]"])
async def test_a_value_that_python_cannot_hold_is_an_error(registry: DatabaseRegistry, value: str) -> None:
    """Of the statement, not of the server."""
    result = await registry.execute(NAME, f"SELECT {value}", AMPLE)
    assert result.error_kind == "invalid"
    assert "must have magnitude" in (result.error or "")


def test_schemas_comments_enums_and_views(registry: DatabaseRegistry) -> None:
    """As in prompts."""
    tables = {table.name: table for table in registry.schema(NAME).tables}
    assert {"orders", "archive.orders", "MixedCase", "Odd Schema.Select"} <= tables.keys()
    assert tables["open_orders"].view
    assert tables["customers"].description == "everyone who ever bought"
    columns = {
        column.name: column for column in (*tables["customers"].columns, *tables["odd_values"].columns)
    }
    assert columns["segment"].description == "consumer, business or premium"
    assert (columns["mood"].type, columns["mood"].choices) == ("ENUM", ("calm", "cross"))
    assert columns["key"].kind is columns["list"].kind is Kind.OTHER
    assert columns["nan"].samples == ()
    text = render(registry.schema(NAME))
    assert 'CREATE TABLE "Odd Schema"."Select" (' in text
    assert "CREATE TABLE archive.orders (" in text


def test_what_cannot_be_read_by_itself_is_left_out(tmp_path: Path) -> None:
    """A view on a table that is gone, and tables of a schema with a dot; their owner is told."""
    statements = (
        "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS SELECT 2 AS b; "
        'CREATE VIEW v AS FROM u; DROP TABLE u; CREATE SCHEMA "a.b"; CREATE TABLE "a.b".c AS SELECT 3 AS d'
    )
    with closing(opened(made(tmp_path / "a.duckdb", statements))) as registry:
        assert [table.name for table in registry.schema(NAME).tables] == ["t"]
        schema, view = registry.state(NAME).warnings
    assert view.startswith("'v' is left out: Catalog Error")
    assert schema == "'a.b.*' is left out: the schema's name has a dot"


def test_a_large_column_is_known_by_its_first_rows(tmp_path: Path) -> None:
    """It isn't read further."""
    statements = (
        "CREATE TABLE t AS SELECT 'name ' || i AS name, 'k' || i % 9 AS kind FROM range(150000) AS r(i)"
    )
    with closing(opened(made(tmp_path / "a.duckdb", statements))) as registry:
        database = registry.database(NAME)
        found = scan_values(database, registry.schema(NAME), ScanLimits(), lambda: False)
        assert [column.name for column in found.large] == ["name"]
        assert set(found.values) == {f"k{i}" for i in range(9)}
        assert database.distinct("t", "name", ValueSpan(1, 64, 1000), 10, lambda: False).more


async def test_a_file_may_be_known_by_two_names(tmp_path: Path) -> None:
    """Each perhaps with other tables; neither may change its settings."""
    address = made(tmp_path / "a.duckdb", "CREATE TABLE t AS SELECT 1 AS a")
    with closing(opened(address)) as registry:
        registry.register("again", kind_of(NAME, address), address)
        for name in (NAME, "again"):
            assert (await registry.execute(name, "SELECT * FROM t", AMPLE)).rows == ((1,),)
            database = registry.database(name)
            assert isinstance(database, DuckdbDatabase)
            with database._cursor() as cursor, pytest.raises(duckdb.Error, match="locked"):
                cursor.execute("SET enable_external_access = true")


async def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    """Its schema is read again; questions get the new rows."""
    path = tmp_path / "a.duckdb"
    with closing(opened(made(path, "CREATE TABLE t AS SELECT 1 AS a"))) as registry:
        registry.schema(NAME)
        assert not registry.refresh(NAME)
        made(tmp_path / "b.duckdb", "CREATE TABLE t AS SELECT 2 AS a, 'x' AS b")
        (tmp_path / "b.duckdb").replace(path)
        assert registry.refresh(NAME)
        assert [column.name for column in registry.schema(NAME).tables[0].columns] == ["a", "b"]
        assert (await registry.execute(NAME, "SELECT * FROM t", AMPLE)).rows == ((2, "x"),)
        path.unlink()
        assert (await registry.execute(NAME, "SELECT * FROM t", AMPLE)).error_kind == "unavailable"
        registry.refresh(NAME)
        assert registry.names() == ()


def test_a_file_is_replaced_once_no_statement_runs(tmp_path: Path) -> None:
    """Until then schema and identity are those of the file that is open."""
    path = tmp_path / "a.duckdb"
    with closing(opened(made(path, "CREATE TABLE t AS SELECT 1 AS a"))) as registry:
        registry.schema(NAME)
        database = registry.database(NAME)
        assert isinstance(database, DuckdbDatabase)
        before = database.identity()
        with database._cursor():  # as if a statement ran
            made(tmp_path / "b.duckdb", "CREATE TABLE u AS SELECT 2 AS a")
            (tmp_path / "b.duckdb").replace(path)
            assert not registry.refresh(NAME)
            assert database.identity() == before
        assert registry.refresh(NAME)
        assert [table.name for table in registry.schema(NAME).tables] == ["u"]


def test_a_file_that_could_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    """By the refresher; until then the state says why."""
    path = tmp_path / "a.duckdb"
    path.write_bytes(b"no database" * 1000)
    registry = DatabaseRegistry()
    with closing(registry):
        registry.register(NAME, kind_of(NAME, "duckdb:///x"), f"duckdb:///{path}", required=False)
        assert "can't be opened" in (registry.state(NAME).reason or "")
        with pytest.raises(UnavailableError, match="can't be opened"):
            registry.schema(NAME)
        path.unlink()
        made(path, "CREATE TABLE t AS SELECT 1 AS a")
        assert registry.refresh(NAME)
        assert registry.names() == (NAME,)


async def test_a_python_variable_is_no_table(registry: DatabaseRegistry) -> None:
    """DuckDB would read data frames of this process."""
    found = duckdb.connect().execute("SELECT 1 AS a")
    result = await registry.execute(NAME, "SELECT * FROM found", AMPLE)
    assert (found.fetchall(), result.error_kind) == ([(1,)], "invalid")


async def test_too_much_memory_is_an_error(shops: Shops) -> None:
    """Within DuckDB's own limit."""
    with closing(opened(shops.addresses[NAME] + "?memory_limit=20MB&threads=1")) as registry:
        result = await registry.execute(
            NAME, "SELECT count(DISTINCT i::TEXT || 'abcdefghijkl') FROM range(20000000) AS r(i)", AMPLE
        )
    assert result.error_kind == "invalid"
    assert "memory" in (result.error or "")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("duckdb://shop.duckdb", "write duckdb:///PATH"),
        ("duckdb:///", "write duckdb:///PATH"),
        ("duckdb:///no/such/file", "there is no such file; give a DuckDB file"),
        (
            "duckdb:///a?access_mode=read_write",
            "DuckDB's address takes no access_mode; known: memory_limit, threads",
        ),
    ],
)
def test_an_address_that_cannot_be_right(address: str, message: str) -> None:
    """Is refused before anything starts."""
    with pytest.raises(ConfigError) as caught:
        resolved("a", address)
    assert message in caught.value.message


def test_an_address_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its options."""
    made(tmp_path / "a.duckdb", "CREATE TABLE t AS SELECT 1 AS a")
    monkeypatch.chdir(tmp_path)
    assert resolved("a", "duckdb:///a.duckdb?threads=2") == f"duckdb:///{tmp_path}/a.duckdb?threads=2"


async def test_many_questions_at_once(registry: DatabaseRegistry) -> None:
    """Each on a connection of its own."""
    results = await asyncio.gather(
        *(registry.execute(NAME, f"SELECT {n}, count(*) FROM orders", AMPLE) for n in range(30))
    )
    assert [result.rows for result in results] == [((n, 4500),) for n in range(30)]


@pytest.mark.parametrize(("quick", "sampled"), [(0, ()), (1, ("a", "b"))])
def test_a_table_that_takes_too_long_has_the_samples_that_came_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: int, sampled: tuple[str, ...]
) -> None:
    """Texts are read first, the ends of other columns after them; the next table has its samples."""
    address = made(
        tmp_path / "slow.duckdb",
        "CREATE TABLE slow AS SELECT * FROM (VALUES ('a', DATE '2025-01-31'), ('b', NULL)) AS v (word, day);"
        "CREATE TABLE two AS SELECT 'x' AS word",
    )
    plain = duckdb_introspection._sql
    asked: list[str] = []
    stuck: list[str] = []

    def source(table: ListedTable) -> str:
        asked.append(table.name)
        if table.name != "slow" or len(asked) <= quick:
            return plain(table)
        stuck.append(table.name)
        return f"(SELECT slow.* FROM slow, ({ENDLESS}))"

    def expired(seconds: float) -> Callable[[], bool]:
        stuck.clear()
        return lambda: seconds == duckdb_introspection.TABLE_SECONDS and bool(stuck)

    monkeypatch.setattr(duckdb_introspection, "_sql", source)
    monkeypatch.setattr(duckdb_introspection, "expired", expired)
    with closing(opened(address)) as registry:
        slow, two = registry.schema(NAME).tables
    assert [column.samples for column in slow.columns] == [sampled, ()]
    assert two.columns[0].samples == ("x",)


def test_tables_beyond_the_time_for_all_have_no_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are known all the same."""
    monkeypatch.setattr(duckdb_introspection, "_SAMPLING_SECONDS", 0.0)
    with closing(opened(made(tmp_path / "one.duckdb", "CREATE TABLE one AS SELECT 'x' AS word"))) as registry:
        (one,) = registry.schema(NAME).tables
    assert (one.row_count, one.columns[0].samples) == (1, ())


def test_the_columns_of_a_small_table_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of an index, and any other; limits of length hold, and those of values."""
    rows = "('a', 'one'), ('b', NULL), ('b', 'a longer text')"
    made_by = f"CREATE TABLE t AS SELECT * FROM (VALUES {rows}) AS v (x, y)"
    asked: list[str] = []
    with closing(opened(made(tmp_path / "small.duckdb", made_by))) as registry:
        registry.schema(NAME)
        database = registry.database(NAME)
        reading = DuckdbDatabase._reading

        def noted(self: DuckdbDatabase) -> Any:
            asked.append("once")
            return reading(self)

        monkeypatch.setattr(DuckdbDatabase, "_reading", noted)
        span = ValueSpan(1, 5, 100)
        assert database.distinct("t", "x", span, 9, lambda: False) == ColumnValues(["a", "b"])
        assert database.distinct("t", "y", span, 9, lambda: False) == ColumnValues(["one"])
        assert len(asked) == 1
        assert database.distinct("t", "x", span, 2, lambda: False) == ColumnValues(["a", "b"], more=True)
        longer = database.distinct("t", "y", ValueSpan(1, 50, 100), 9, lambda: False)
        assert longer == ColumnValues(["a longer text", "one"])
        assert len(asked) == 3
