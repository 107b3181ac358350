"""Which tables a model sees, and what it is told about them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.descriptions import (
    MAX_COLUMN_CHARACTERS,
    MAX_TABLE_CHARACTERS,
    Descriptions,
    read_descriptions,
)
from plugins.text2sql.databases.hidden_tables import hidden_table
from plugins.text2sql.databases.presentation import Presentation
from plugins.text2sql.databases.schema import render
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from sched.errors import ConfigError
from tests.plugins.text2sql.databases.awkward import TRADE, made
from tests.plugins.text2sql.databases.running_statements import AMPLE

TOML = """
[tables]
customers = "who buys\\n  from us"
[columns."Order Details"]
UNITPRICE = "in euros"
[columns.Order]
"Order Date" = "when it came in"
[columns.nowhere]
x = "y"
"""


@pytest.fixture
def registry(tmp_path: Path) -> DatabaseRegistry:
    return DatabaseRegistry()


def register(registry: DatabaseRegistry, path: Path, presentation: Presentation) -> None:
    registry.register("trade", SqliteDatabase, str(made(path / "trade.sqlite", TRADE)), presentation)


@pytest.mark.parametrize(
    ("include", "exclude", "shown"),
    [
        ((), (), ["Customers", "Order", "Order Details", "Sales by Country", "Table"]),
        (("order*",), (), ["Order", "Order Details"]),
        (("Order*", "table"), ("* details",), ["Order", "Table"]),
        ((), ("*a*",), ["Customers", "Order"]),
    ],
)
def test_patterns_choose_tables_and_views(
    registry: DatabaseRegistry,
    tmp_path: Path,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    shown: list[str],
) -> None:
    """Nothing else is in the schema, and no key refers to it."""
    with closing(registry):
        register(registry, tmp_path, Presentation(include, exclude))
        schema = registry.schema("trade")
    assert [table.name for table in schema.tables] == shown
    targets = {key.target for table in schema.tables for key in table.foreign_keys}
    assert targets == ({"Customers"} if "Customers" in shown else set())


def test_a_database_of_which_nothing_is_left_is_refused(registry: DatabaseRegistry, tmp_path: Path) -> None:
    """It is a mistake in the configuration."""
    with closing(registry):
        register(registry, tmp_path, Presentation(include=("sales_*",)))
        with pytest.raises(ConfigError, match="database 'trade': include and exclude leave no table"):
            registry.schema("trade")


async def test_a_hidden_table_is_not_read(registry: DatabaseRegistry, tmp_path: Path) -> None:
    """It isn't named among the near ones either; a view that is shown may use it."""
    with closing(registry):
        register(registry, tmp_path, Presentation(exclude=("customers",)))
        registry.schema("trade")
        refused = await registry.execute("trade", 'SELECT "Country" FROM Customers', AMPLE)
        unknown = await registry.execute("trade", "SELECT * FROM Custmers", AMPLE)
        column = await registry.execute("trade", 'SELECT "Contact Name" FROM "Table"', AMPLE)
        view = await registry.execute("trade", 'SELECT n FROM "Sales by Country"', AMPLE)
    assert (refused.error_kind, refused.error) == (
        "rejected",
        "the table Customers may not be read; use those of the schema",
    )
    assert unknown.error == "no such table: Custmers"
    assert "Customers" not in (column.error or "Customers")
    assert view.ok


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT 1", None),
        ("SELECT * FROM seen", None),
        ("SELECT * FROM hid", "hid"),
        ("SELECT * FROM main.HID", "HID"),
        ("SELECT * FROM seen JOIN hid USING (x)", "hid"),
        ("SELECT (SELECT max(x) FROM hid)", "hid"),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM hid)", "hid"),
        ("SELECT 1 FROM seen UNION SELECT 1 FROM hid", "hid"),
        ("SELECT 1 FROM seen WHERE x IN hid", "hid"),
        ("SELECT 1 FROM seen WHERE x IN (1, 2)", None),
        ("WITH c AS (SELECT * FROM hid) SELECT * FROM c", "hid"),
        ("WITH hid AS (SELECT 1 AS a) SELECT * FROM hid", None),
        ("WITH hid AS (SELECT 1 AS a) SELECT * FROM hid WHERE a IN (SELECT a FROM hid)", None),
        ("SELECT * FROM (WITH hid AS (SELECT 1 AS a) SELECT * FROM hid), hid", "hid"),
        ("SELECT value FROM json_each('[1]')", None),
    ],
)
def test_a_table_is_found_wherever_it_is_named(statement: str, found: str | None) -> None:
    """A CTE of the same name is none."""
    assert hidden_table(statement, lambda name: name.lower() not in ("hid",), SQLITE) == found


# --- descriptions -------------------------------------------------------------------------------


def test_descriptions_are_in_the_prompt(
    registry: DatabaseRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In front of the samples, on one line; names that don't exist are named in the log."""
    file = tmp_path / "words.toml"
    file.write_text(TOML)
    with closing(registry), caplog.at_level(logging.WARNING):
        register(registry, tmp_path, Presentation(descriptions=read_descriptions(file)))
        text = render(registry.schema("trade"))
    assert 'CREATE TABLE "Customers" ( -- 2 rows; who buys from us\n' in text
    assert '  "UnitPrice" NUMERIC, -- in euros\n' in text
    assert "  \"Order Date\" DATETIME, -- when it came in; '2024-01-02' .. '2024-02-03'\n" in text
    assert "database 'trade' has no nowhere, which are described" in caplog.text


def test_json_has_the_same_form(tmp_path: Path) -> None:
    """TOML and JSON say the same."""
    said = {"tables": {"T": "a"}, "columns": {"T": {"C": " b\tc "}}}
    (tmp_path / "x.json").write_text(json.dumps(said))
    (tmp_path / "x.toml").write_text('[tables]\nT = "a"\n[columns.T]\nC = "b c"')
    expected = Descriptions({"t": "a"}, {"t": {"c": "b c"}})
    assert read_descriptions(tmp_path / "x.json") == read_descriptions(tmp_path / "x.toml") == expected


def test_texts_are_bounded(tmp_path: Path) -> None:
    """However much is said, a prompt grows by no more."""
    (tmp_path / "x.json").write_text(
        json.dumps({"tables": {"t": "word " * 500}, "columns": {"t": {"c": "x" * 500, "d": "  "}}})
    )
    found = read_descriptions(tmp_path / "x.json")
    assert len(found.tables["t"]) <= MAX_TABLE_CHARACTERS
    assert len(found.columns["t"]["c"]) == MAX_COLUMN_CHARACTERS
    assert found.columns["t"]["c"].endswith("x…")
    assert set(found.columns["t"]) == {"c"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_folder_of_csv_files(tmp_path: Path, encoding: str) -> None:
    """BIRD's layout, whatever the encoding; what a row says twice or of the name only is left out."""
    (tmp_path / "Kunden.csv").write_bytes(
        (
            "original_column_name,column_name,column_description,data_format,value_description\r\n"
            'stadt,Stadt,"where, größtenteils",text,\r\n'
            "st,status,status,text,0: new\n"
            "id ,,,integer,\n"
        ).encode(encoding)
    )
    (tmp_path / "notes.txt").write_text("no table")
    assert read_descriptions(tmp_path) == Descriptions(
        columns={"kunden": {"stadt": "where, größtenteils", "st": "status; 0: new"}}
    )


def _file(name: str, content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none.toml", "none.toml can't be read: No such file"),
        (lambda folder: folder, "has no CSV file; name one per table"),
        (_file("a.toml", "= 1"), "a.toml can't be read: "),
        (_file("a.json", "{"), "a.json can't be read: "),
        (_file("a.json", "[]"), "give the tables' texts under `tables`"),
        (_file("a.json", '{"customers": "x"}'), "give the tables' texts under `tables`"),
        (_file("a.json", '{"tables": {"x": 1}}'), "give the tables' texts under `tables`"),
        (_file("a.json", '{"columns": {"x": "y"}}'), "give the tables' texts under `tables`"),
        (_file("a.json", '{"columns": []}'), "give the tables' texts under `tables`"),
        (
            lambda folder: _file("a.csv", "x,y\n1,2")(folder).parent,
            "a.csv has no column original_column_name",
        ),
    ],
)
def test_a_wrong_file_is_a_configuration_error(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    """The message names the file and what it should hold."""
    with pytest.raises(ConfigError) as caught:
        read_descriptions(make(tmp_path))
    assert message in caught.value.message
