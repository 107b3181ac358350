"""Files as they are in the wild are served rightly, or reported while the others are served."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.known_database import DatabaseState
from plugins.text2sql.databases.schema import DatabaseSchema, Kind, render
from plugins.text2sql.databases.sqlite import introspection
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.value_scan import ScanLimits, scan_values
from sched.errors import UnavailableError
from tests.plugins.text2sql.databases.awkward import (
    BAD_TEXT,
    MIXED,
    TRADE,
    UNICODE,
    VIEWS,
    corrupt,
    encrypted,
    made,
    many_columns,
    many_tables,
    truncated,
)
from tests.plugins.text2sql.databases.running_statements import AMPLE

SCRIPTS = {
    "trade": TRADE,
    "unicode": UNICODE,
    "mixed": MIXED,
    "bad_text": BAD_TEXT,
    "views": VIEWS,
    "tables": many_tables(),
    "columns": many_columns(),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseRegistry]:
    folder = tmp_path_factory.mktemp("a#b?c%20 ünï")
    with closing(DatabaseRegistry()) as registry:
        for name, script in SCRIPTS.items():
            registry.register(name, SqliteDatabase, str(made(folder / f"{name} &.sqlite", script)))
        yield registry


def tables(schema: DatabaseSchema) -> list[str]:
    return [table.name for table in schema.tables]


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "tables"])
async def test_every_table_and_column_can_be_read(served: DatabaseRegistry, name: str) -> None:
    """By the names that the prompt shows, with values that JSON can hold."""
    schema = served.schema(name)
    word = schema.dialect.identifier
    for table in schema.tables:
        columns = ", ".join(word(column.name) for column in table.columns)
        result = await served.execute(name, f"SELECT {columns} FROM {word(table.name)}", AMPLE)
        assert result.ok, (table.name, result.error)
        assert result.columns == tuple(column.name for column in table.columns)
        assert table.view or len(result.rows) == table.row_count
        assert json.loads(json.dumps(result.rows, allow_nan=False)) is not None
        assert f" {word(table.name)} (" in render(schema, [table.name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_values_are_scanned_whatever_the_names(served: DatabaseRegistry, name: str) -> None:
    """So that questions find them."""
    assert scan_values(served.database(name), served.schema(name), ScanLimits(), lambda: False).complete


def test_views_are_offered_and_broken_ones_named(served: DatabaseRegistry) -> None:
    """A view is marked as one, with samples; one that can't be read is left out, which its owner is told."""
    schema = served.schema("trade")
    assert tables(schema) == ["Customers", "Order", "Order Details", "Sales by Country", "Table"]
    assert served.state("trade").warnings == ("'broken_view' is left out: no such table: main.no_such_table",)
    view = schema.select(["Sales by Country"])[0]
    assert view.view
    assert [(column.name, column.kind, column.samples) for column in view.columns] == [
        ("Country", Kind.TEXT, ("Germany", "日本")),
        ("n", Kind.NUMBER, (1,)),
    ]
    assert render(schema, ["Sales by Country"]).splitlines()[:2] == [
        'CREATE VIEW "Sales by Country" (',
        "  \"Country\" TEXT, -- 'Germany', '日本'",
    ]
    assert [table.view for table in served.schema("views").tables] == [True]


def test_a_view_of_much_work_has_no_samples(
    served: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is counted in instructions; what goes on after it isn't stopped."""
    monkeypatch.setattr(introspection, "_VIEW_INSTRUCTIONS", 0)
    monkeypatch.setattr(introspection, "_INSTRUCTIONS_AT_A_TIME", 1)
    schema = served.database("trade").introspect()
    kinds = {table.name: {column.kind for column in table.columns} for table in schema.tables}
    assert kinds["Sales by Country"] == {Kind.OTHER}
    assert kinds["Table"] == {Kind.NUMBER, Kind.TEXT}


def test_tables_that_sqlite_keeps_for_itself_are_not_offered(served: DatabaseRegistry) -> None:
    """Virtual tables are; their content, and ``sqlite_sequence``, aren't."""
    assert tables(served.schema("mixed")) == [
        "badfk", "box", "counted", "docs", "ev", "fkc", "gen", "odd", "selfref", "st",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT title FROM docs WHERE docs MATCH 'world' ORDER BY rank", (("Hello",),)),
        (
            "SELECT snippet(docs, 1, '<', '>', '…', 3) FROM docs WHERE docs MATCH 'wor*'",
            (("<world> of text",),),
        ),
        ("SELECT id FROM box WHERE minx < 0.5", ((1,),)),
        ("SELECT total, label FROM gen", ((7.5, "x3"),)),
        ("SELECT payload, amount FROM ev", (("00ff", 1.5), ("", "inf"), (None, "-inf"))),
        ("SELECT max(big) FROM ev", ((2**62,),)),
        ('SELECT m, n, "" FROM odd', ((1, "ff", "t"), ("t", 2.5, "u"))),
    ],
)
async def test_special_tables_and_values(
    served: DatabaseRegistry, statement: str, rows: tuple[object, ...]
) -> None:
    """Full text, R-trees, generated columns, blobs, infinities."""
    result = await served.execute("mixed", statement, AMPLE)
    assert (result.error, result.rows) == (None, rows)


async def test_text_that_is_no_text(served: DatabaseRegistry) -> None:
    """What isn't UTF-8 is replaced; a NUL and a line break stay."""
    result = await served.execute("bad_text", "SELECT a FROM t", AMPLE)
    assert result.rows == (("\ufffdA",), ("nul\0mid",))


async def test_many_tables_and_many_columns(served: DatabaseRegistry) -> None:
    """Neither 300 tables nor 1,500 columns are too many."""
    assert len(served.schema("tables").tables) == 300
    assert len(served.schema("columns").tables[0].columns) == 1500
    result = await served.execute("columns", "SELECT * FROM wide", AMPLE)
    assert (result.rows[0][0], result.rows[0][1499], len(result.columns)) == ("a", "b", 1500)


def nothing(path: Path) -> Path:
    path.touch()
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (encrypted, "file is not a database"),
        (truncated, "malformed"),
        (corrupt, "malformed"),
        (nothing, "it has no tables"),
        (folder, "there is no file"),
        (lambda path: made(path, "CREATE TABLE x (a); DROP TABLE x"), "it has no tables"),
        (lambda path: made(path, "CREATE VIEW v AS SELECT * FROM gone"), "it has no tables"),
    ],
)
async def test_a_bad_file_is_reported_while_others_are_served(
    tmp_path: Path, shop_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    """Its state says why, and a question to it is told; the others don't notice."""
    with closing(DatabaseRegistry()) as registry:
        registry.register("bad", SqliteDatabase, str(make(tmp_path / "bad.sqlite")), required=False)
        registry.register("shop", SqliteDatabase, str(shop_path), required=False)
        with pytest.raises(UnavailableError, match=f"^database 'bad': .*{reason}") as caught:
            registry.schema("bad")
        assert caught.value.status == 503
        bad, shop = registry.states()
        assert (bad.name, reason in (bad.reason or "")) == ("bad", True)
        assert shop == DatabaseState("shop")
        assert registry.names() == ("shop",)
        assert (await registry.execute("shop", "SELECT 1 FROM orders LIMIT 1", AMPLE)).ok


async def test_what_is_not_open_can_not_be_used(tmp_path: Path) -> None:
    """A database that could not be opened, or was refused later, is unavailable in every way."""
    with closing(DatabaseRegistry()) as registry:
        registry.register("bad", SqliteDatabase, str(encrypted(tmp_path / "bad.sqlite")), required=False)
        registry.register("good", SqliteDatabase, str(made(tmp_path / "good.sqlite", VIEWS)))
        registry.refuse("good", "the model is too small")
        assert registry.names() == ()
        for name, reason in (("bad", "not a database"), ("good", "the model is too small")):
            with pytest.raises(UnavailableError, match=reason):
                registry.database(name)
            with pytest.raises(UnavailableError, match=reason):
                await registry.execute(name, "SELECT 1", AMPLE)


def test_a_database_that_is_mended_is_served(tmp_path: Path) -> None:
    """One that was empty at the start is read again at the next look, and not by a question."""
    path = nothing(tmp_path / "late.sqlite")
    with closing(DatabaseRegistry()) as registry:
        registry.register("late", SqliteDatabase, str(path))
        with pytest.raises(UnavailableError):
            registry.schema("late")
        made(path, VIEWS)
        with pytest.raises(UnavailableError):
            registry.schema("late")
        assert registry.refresh("late")
        assert tables(registry.schema("late")) == ["v"]
        assert registry.states() == (DatabaseState("late"),)
