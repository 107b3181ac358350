"""The schema is read completely and rendered the same way every time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlglot

from plugins.text2sql.databases.schema import (
    DatabaseSchema,
    ForeignKey,
    Kind,
    render,
)
from plugins.text2sql.databases.sqlite.introspection import introspect
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier, literal
from plugins.text2sql.demo.shop import build_shop
from sched.errors import NotFoundError

# https://www.sqlite.org/lang_keywords.html, and words that are special elsewhere
WORDS = """
abort action add after all alter always analyze and as asc attach autoincrement before begin between
by cascade case cast check collate column commit conflict constraint create cross current
current_date current_time current_timestamp database default deferrable deferred delete desc detach
distinct do drop each else end escape except exclude exclusive exists explain fail filter first
following for foreign from full generated glob group groups having if ignore immediate in index
indexed initially inner insert instead intersect into is isnull join key last left like limit match
materialized natural no not nothing notnull null nulls of offset on or order others outer over
partition plan pragma preceding primary query raise range recursive references regexp reindex
release rename replace restrict returning right rollback row rows savepoint select set table temp
temporary then ties to transaction trigger unbounded union unique update using vacuum values view
virtual when where window with without date time value any describe lateral qualify tablesample top
interval name type total sum true div struct array
"""


def schema_of(path: Path, script: str) -> DatabaseSchema:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return introspect(sa.create_engine(sa.URL.create("sqlite", database=str(path))))


@pytest.fixture(scope="module")
def shop(shop_path: Path) -> DatabaseSchema:
    return introspect(sa.create_engine(sa.URL.create("sqlite", database=str(shop_path))))


def test_tables_columns_and_keys_are_read(shop: DatabaseSchema) -> None:
    """Row counts, keys, nullability and declared types are those of the database."""
    (shipments,) = shop.select(["shipments"])
    columns = {column.name: column for column in shipments.columns}
    assert shipments.row_count > 1000
    assert shipments.foreign_keys == (ForeignKey(("order_id",), "orders", ("id",)),)
    assert shipments.key_columns == {"id", "order_id"}
    assert columns["id"].primary_key
    assert columns["delivered_on"].nullable
    assert not columns["shipped_on"].nullable
    assert columns["carrier"].type == "TEXT"


def test_samples_tell_what_is_in_a_column(shop: DatabaseSchema) -> None:
    """Text gives its most frequent values, dates and numbers their lowest, a middle and highest."""
    (orders,) = shop.select(["orders"])
    columns = {column.name: column for column in orders.columns}
    assert columns["status"].kind is Kind.TEXT
    assert columns["status"].samples[0] == "delivered"
    assert set(columns["payment_method"].samples) == {"card", "paypal", "invoice", "transfer"}
    assert columns["ordered_on"].kind is Kind.DATE
    assert columns["ordered_on"].samples[0] == "2022-01-01"
    assert columns["ordered_on"].samples[-1] == "2024-12-31"
    assert columns["total"].kind is Kind.NUMBER
    assert list(columns["total"].samples) == sorted(columns["total"].samples)


def test_values_decide_the_kind_not_the_declared_type(tmp_path: Path) -> None:
    """SQLite stores anything anywhere: mixed, binary, infinite and empty columns are told apart."""
    schema = schema_of(
        tmp_path / "odd.sqlite",
        """CREATE TABLE t (number TEXT COLLATE BINARY, mixed INTEGER, bytes TEXT, absent TEXT,
                           huge REAL, untyped, long TEXT, lines TEXT);
           INSERT INTO t VALUES ('a', 1, x'00', NULL, 9e999, 5, printf('%500d', 1), 'a' || char(10));
           INSERT INTO t VALUES ('b', 'x', x'01', NULL, 1, 7, printf('%500d', 2), 'b');""",
    )
    columns = {column.name: column for column in schema.tables[0].columns}
    assert {name: column.kind for name, column in columns.items()} == {
        "number": Kind.TEXT,
        "mixed": Kind.OTHER,
        "bytes": Kind.OTHER,
        "absent": Kind.OTHER,
        "huge": Kind.OTHER,
        "untyped": Kind.NUMBER,
        "long": Kind.TEXT,
        "lines": Kind.TEXT,
    }
    assert columns["untyped"].samples == (5, 7)
    assert columns["long"].samples == ()
    assert columns["lines"].samples == ("b",)


def test_samples_are_bounded(shop: DatabaseSchema) -> None:
    """However long the values, a column adds at most 60 characters of text samples to a prompt."""
    for table in shop.tables:
        for column in table.columns:
            if column.kind is Kind.TEXT:
                assert 0 < sum(len(str(sample)) for sample in column.samples) <= 60


def test_composite_and_implicit_foreign_keys(tmp_path: Path) -> None:
    """A key over two columns stays one key; a reference without columns means the primary key."""
    schema = schema_of(
        tmp_path / "keys.sqlite",
        """CREATE TABLE parent (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
           CREATE TABLE child (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES parent (a, b));
           CREATE TABLE single (id INTEGER PRIMARY KEY);
           CREATE TABLE other (s INTEGER REFERENCES single);""",
    )
    keys = {table.name: table.foreign_keys for table in schema.tables}
    assert keys["child"] == (ForeignKey(("x", "y"), "parent", ("a", "b")),)
    assert keys["other"] == (ForeignKey(("s",), "single", ("id",)),)
    assert "FOREIGN KEY (x, y) REFERENCES parent (a, b)" in render(schema, ["child"])


def test_rendering_is_readable_and_complete(shop: DatabaseSchema) -> None:
    """A prompt shows every column with its type, keys and samples."""
    text = render(shop, ["shipments"])
    lines = text.splitlines()
    assert lines[0].startswith("CREATE TABLE shipments ( -- ")
    assert "  id INTEGER PRIMARY KEY," in lines
    assert "  order_id INTEGER REFERENCES orders (id)," in lines
    assert any(line.startswith("  carrier TEXT, -- '") for line in lines)
    assert any(" -- '2022-01-" in line and " .. '2024-12-" in line for line in lines)
    for table in shop.tables:
        for column in table.columns:
            assert f"  {identifier(column.name)} {column.type}" in render(shop, [table.name])


def test_rendering_does_not_depend_on_the_order_of_tables(shop: DatabaseSchema) -> None:
    """The same set of tables gives the same text, so that the prompts share their prefix."""
    assert render(shop, ["orders", "customers"]) == render(shop, ["customers", "orders"])
    assert render(shop) == render(shop, [table.name for table in reversed(shop.tables)])


def test_two_reads_of_the_same_data_give_the_same_text(tmp_path: Path, shop: DatabaseSchema) -> None:
    """Another build of the same data renders the same, whatever the file."""
    build_shop(tmp_path / "again.sqlite")
    assert introspect(sa.create_engine(f"sqlite:///{tmp_path / 'again.sqlite'}")) == shop


def test_an_unknown_table_is_named_with_the_known_ones(shop: DatabaseSchema) -> None:
    """A table that doesn't exist is an error for the user, not left out."""
    with pytest.raises(NotFoundError, match="'ordres'; known: categories, ") as caught:
        render(shop, ["orders", "ordres"])
    assert caught.value.field == "tables"


@pytest.mark.parametrize("name", [*WORDS.split(), "two words", 'a"b', "Größe", "1st", "x-y", "A", "%", ""])
def test_any_name_is_written_so_that_both_parsers_take_it(name: str) -> None:
    """Tables and columns with such names work in SQLite and in sqlglot."""
    word = identifier(name)
    statement = (
        f"SELECT {word}, count(DISTINCT {word}), {word}.{word} FROM {word} JOIN o1 ON o1.x = {word}.{word} "
        f"WHERE {word} IS NOT NULL GROUP BY {word} ORDER BY {word} DESC LIMIT 1"
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"CREATE TABLE {quoted} ({quoted} INTEGER)")
        connection.execute("CREATE TABLE o1 (x INTEGER)")
        connection.execute(statement)
    assert len(sqlglot.parse(statement, read="sqlite")) == 1


def test_common_names_stay_bare() -> None:
    """Quotes cost tokens and models seldom write them."""
    assert [identifier(name) for name in ("orders", "order_id", "total")] == ["orders", "order_id", "total"]


@pytest.mark.parametrize("value", ["it's", "", "Zürich", "a;b--", 5, -2, 1.5, 1e300, -0.001])
def test_literals_are_read_back_as_the_value(value: str | int | float) -> None:
    """What is written as a literal is the value for SQLite."""
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {literal(value)}").fetchone() == (value,)
