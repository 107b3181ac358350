"""Another kind of database costs one class and one line in the registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from launch import shipped
from launch.database_kinds import kind_of, resolved
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.dialect import STANDARD
from plugins.text2sql.databases.schema import render
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from plugins.text2sql.retrieval.retrieval import Retriever
from sched.errors import ConfigError
from tests.plugins.text2sql.databases.ledger import SLOW, WRONG, Ledger
from tests.plugins.text2sql.databases.running_statements import AMPLE, MovedTime, running, until

ADDRESS = "ledger://u:secret@h/books"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line."""
    monkeypatch.setitem(shipped._DATABASES, "ledger", "tests.plugins.text2sql.databases.ledger:Ledger")


@pytest.fixture
async def clock() -> MovedTime:
    return MovedTime(asyncio.get_running_loop())


@pytest.fixture
async def registry(clock: MovedTime) -> AsyncIterator[DatabaseRegistry]:
    with closing(DatabaseRegistry(max_rows=3, max_concurrency=2, clock=clock)) as registry:
        registry.register("books", kind_of("books", ADDRESS), ADDRESS)
        yield registry


async def test_a_statement_runs_within_the_registrys_limits(registry: DatabaseRegistry) -> None:
    """The kind gets its address, and its rows come back cut at the limit."""
    database = registry.database("books")
    assert isinstance(database, Ledger)
    assert database.given == (ADDRESS, 2)
    result = await registry.execute("books", "SELECT `desc` FROM entries", AMPLE)
    assert result.ok
    assert result.columns == ("desc",)
    assert result.rows == (("Rent",), ("Travel",), ("O'Hara Goods",))
    assert result.truncated
    registry.close()
    assert database.closed


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("DELETE FROM entries", "rejected", "DELETE is not allowed"),
        ("SELECT LOAD_FILE('/etc/hosts')", "rejected", "LOAD_FILE is not allowed"),
        (WRONG, "invalid", "Unknown column 'no_such_column'"),
    ],
)
async def test_a_bad_statement_is_a_result(
    registry: DatabaseRegistry, statement: str, kind: str, message: str
) -> None:
    """Statements are checked in the kind's own dialect; its errors keep their kind."""
    result = await registry.execute("books", statement, AMPLE)
    assert result.error_kind == kind
    assert message in (result.error or "")


async def test_a_slow_statement_is_interrupted_at_its_limit(
    registry: DatabaseRegistry, clock: MovedTime
) -> None:
    """The kind is interrupted by its own means."""
    answer = asyncio.create_task(registry.execute("books", SLOW, 5000))
    await until(lambda: running(registry) == 1)
    clock.advance(5000)
    assert (await answer).error == "the statement was stopped at its time limit of 5000 s"


async def test_names_and_values_are_written_in_the_kinds_dialect(registry: DatabaseRegistry) -> None:
    """In prompts and in what retrieval finds; numbers and dates aren't indexed."""
    schema = registry.schema("books")
    assert "  `desc` TEXT, -- 'Rent'" in render(schema)
    found = scan_values(registry.database("books"), schema, ScanLimits(), lambda: False)
    assert found.values == ("Rent", "Travel", "O'Hara Goods")
    with closing(Retriever(registry)) as retriever:
        retriever.prepare("books")
        await until(lambda: retriever.ready("books"))
        assert (await retriever.values("books", ["Ohara goods"])).lines == (
            "entries.`desc` = 'O''Hara Goods'",
        )


def test_the_standard_dialect_quotes_what_needs_it() -> None:
    """Capital letters too, since many databases fold bare names."""
    names = ("orders", "Orders", "select", 'a"b')
    assert [STANDARD.identifier(name) for name in names] == ["orders", '"Orders"', '"select"', '"a""b"']


def test_a_kind_that_cannot_open_is_a_configuration_error(registry: DatabaseRegistry) -> None:
    """The database is named, its address isn't shown."""
    locked = "ledger://u:secret@h/locked"
    with pytest.raises(ConfigError) as caught:
        registry.register("more", kind_of("more", locked), locked)
    assert caught.value.message == "database 'more': the ledger is locked"


def test_the_address_says_the_kind() -> None:
    """The scheme in front, in any letters; a path is SQLite's."""
    assert kind_of("a", "LEDGER://h/books") is Ledger
    assert kind_of("a", "/data/shop.sqlite") is kind_of("a", "sqlite:///shop.sqlite") is SqliteDatabase
    assert resolved("a", ADDRESS) == ADDRESS
    with pytest.raises(ConfigError) as caught:
        kind_of("a", "oracle://u:secret@h/db")
    assert caught.value.message == (
        "--database a: unknown kind of database 'oracle'; "
        "known: duckdb, mariadb, mysql, postgresql, sqlite, ledger"
    )
