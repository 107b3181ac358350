"""Whatever a statement is made of: if the check lets it through, it only reads; the check ends soon."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launch.database_kinds import kind_of
from plugins.text2sql.databases import bounded_parser
from plugins.text2sql.databases.bounded_parser import MOST_STEPS_PER_TOKEN, parsed
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.mysql.mysql_dialect import MARIADB
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.processes.statement_processes import StatementProcesses
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from tests.plugins.text2sql.databases.attack_grammar import statements
from tests.plugins.text2sql.databases.shops import add_virtual_tables, duckdb_shop, sqlite_shop
from tests.plugins.text2sql.databases.test_attacks import file_state

READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
SECONDS = 0.2
"""What runs longer is stopped, and has changed nothing either."""
MEMORY_BYTES = 1 << 30
CALLS_PER_CHARACTER = 2_000
"""Calls of Python functions in the check for each character; a hundred characters are always allowed for."""


def passed(statement: str, dialect: Dialect) -> str | None:
    """Return what the check lets run; ``None`` if it refuses."""
    try:
        return check_select(statement, dialect)
    except UnsafeSqlError:
        return None


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Copies of the shop that nobody else uses."""
    folder = tmp_path_factory.mktemp("fuzzed")
    sqlite = sqlite_shop(folder)
    made = {"sqlite": sqlite, "duckdb": duckdb_shop(Path(sqlite), folder)}
    add_virtual_tables(sqlite)
    return made


@pytest.fixture(scope="module")
def fuzzed(addresses: dict[str, str]) -> Iterator[tuple[DatabaseRegistry, asyncio.Runner]]:
    """Both databases as the server opens them; their files are what they were."""
    before = {kind: file_state(address) for kind, address in addresses.items()}
    with (
        closing(StatementProcesses(1, MEMORY_BYTES)) as processes,
        closing(DatabaseRegistry(runner=processes, max_concurrency=1, max_seconds=SECONDS)) as registry,
        asyncio.Runner() as runner,
    ):
        for kind, address in addresses.items():
            registry.register(kind, kind_of(kind, address), address)
        yield registry, runner
    assert {kind: file_state(address) for kind, address in addresses.items()} == before


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_what_passes_changes_nothing(
    kind: str, addresses: dict[str, str], fuzzed: tuple[DatabaseRegistry, asyncio.Runner]
) -> None:
    """It is run as the server does; the files are compared after each."""
    registry, runner = fuzzed
    dialect = {"sqlite": SQLITE, "duckdb": DUCKDB}[kind]
    before = file_state(addresses[kind])
    ran = []

    @given(statements(kind))
    def run(statement: str) -> None:
        result = runner.run(registry.execute(kind, statement, SECONDS))
        assert passed(statement, dialect) is not None or not result.ok
        assert file_state(addresses[kind]) == before
        ran.append(result.ok)

    run()
    assert any(ran), "some run, or nothing is tested"
    assert not all(ran)


@given(statements("sqlite"))
@settings(max_examples=300)
def test_sqlite_compiles_it_to_reading(statement: str) -> None:
    """On a connection that may write: its own compiler says what the statement would do."""
    checked = passed(statement, SQLITE)
    if checked is None:
        return
    done: set[int] = set()

    def noted(action: int, table: Any, *_: Any) -> int:
        # For a virtual table such as pragma_table_info SQLite compiles a change of its own to this one.
        if (action, table) != (sqlite3.SQLITE_UPDATE, "sqlite_master"):
            done.add(action)
        return sqlite3.SQLITE_OK

    with closing(sqlite3.connect(":memory:")) as connection:
        for table in ("orders", "reviews", "customers", "products", "categories", "order_items"):
            connection.execute(f"CREATE TABLE {table} (id, name, city, price, total, status, product_id)")
        connection.set_authorizer(noted)
        message = ""
        try:
            connection.execute(f"EXPLAIN {checked}")
        except (sqlite3.Error, ValueError) as error:  # it doesn't compile; what did before, counts
            message = str(error)
    assert "one statement" not in message
    assert done <= READING


@given(statements("duckdb"))
@settings(max_examples=300)
def test_duckdb_parses_one_select(statement: str) -> None:
    """DuckDB's own parser finds nothing else in what passes."""
    checked = passed(statement, DUCKDB)
    if checked is None:
        return
    try:
        found = duckdb.extract_statements(checked)
    except duckdb.Error:
        return
    assert [each.type for each in found] == [duckdb.StatementType.SELECT]


def calls(statement: str, dialect: Dialect) -> int:
    """Return how many Python functions the check calls."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        passed(statement, dialect)
    finally:
        sys.setprofile(before)
    return count


@given(statements("sqlite") | statements("duckdb"), st.sampled_from((SQLITE, DUCKDB, POSTGRESQL, MARIADB)))
def test_the_check_is_linear(statement: str, dialect: Dialect) -> None:
    """Counted, not timed."""
    assert calls(statement, dialect) <= CALLS_PER_CHARACTER * max(len(statement), 100)


@pytest.mark.parametrize("dialect", [SQLITE, DUCKDB, POSTGRESQL, MARIADB], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "word", ["STRUCT", "UNION", "OBJECT", "ROW", "MAP", "ARRAY", "LIST", "CAST", "f", ""]
)
@pytest.mark.parametrize("depth", [8, 16, 40])
def test_nesting_is_not_parsed_for_ever(word: str, depth: int, dialect: Dialect) -> None:
    """Each STRUCT doubled the work: forty would have taken days."""
    statement = f"SELECT {f'{word}(' * depth}"
    assert calls(statement, dialect) <= CALLS_PER_CHARACTER * max(len(statement), 100)


def test_the_bound_leaves_statements_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement as long as any is far below it."""
    monkeypatch.setattr(bounded_parser, "MOST_STEPS_PER_TOKEN", 10)
    assert MOST_STEPS_PER_TOKEN == 100
    conditions = " OR ".join(f"(a.x = {number} AND b.y IN (SELECT y FROM c))" for number in range(200))
    assert len(parsed(f"SELECT a.x, count(*) FROM a JOIN b ON a.id = b.id WHERE {conditions}", "sqlite")) == 1
