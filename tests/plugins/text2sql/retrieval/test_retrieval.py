"""Values and columns are found over the real database, and what is read of it is bounded."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from plugins.text2sql.databases.value_scan import ScanLimits, ScanStoppedError, scan_values
from plugins.text2sql.retrieval import retrieval as module
from plugins.text2sql.retrieval.retrieval import MAX_COLUMNS, MAX_VALUES, Retriever
from tests.plugins.text2sql.databases.running_statements import AMPLE
from tests.waiting import block_until


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, shop_path: Path) -> Path:
    path = tmp_path_factory.mktemp("retrieval") / "shop.sqlite"
    shutil.copy(shop_path, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO suppliers VALUES (61, 'O''Hara Goods', 'Cork', 'Ireland', '2020-01-01'),"
            "(62, 'Price', 'Nice', 'France', '2020-01-01')"
        )
        connection.commit()
    return path


@pytest.fixture(scope="module")
def registry(path: Path) -> Iterator[DatabaseRegistry]:
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", SqliteDatabase, str(path))
        yield registry


@pytest.fixture(scope="module")
def retriever(registry: DatabaseRegistry, path: Path) -> Iterator[Retriever]:
    """A retriever whose index is made, and that may take its time on a slow machine."""
    with pytest.MonkeyPatch.context() as patch, closing(Retriever(registry)) as made:
        patch.setattr(module, "_LOOKUP_SECONDS", AMPLE)
        made.prepare("shop")
        block_until(lambda: made.ready("shop"))
        yield made


async def test_values_are_found_as_conditions(retriever: Retriever) -> None:
    """A misspelt value gives the condition on the column that holds it, quoted as SQL wants it."""
    found = await retriever.values("shop", ["Irlend", "Germny"])
    assert found.note is None
    assert set(found.lines) == {
        "suppliers.country = 'Ireland'",
        "customers.country = 'Germany'",
        "suppliers.country = 'Germany'",
    }
    assert (await retriever.values("shop", ["OHara Goods"])).lines == ("suppliers.name = 'O''Hara Goods'",)
    assert (await retriever.values("shop", ["canceled"])).lines == ("orders.status = 'cancelled'",)


async def test_words_of_a_phrase_are_looked_up_too(retriever: Retriever) -> None:
    """The model may keep words together that the database has apart."""
    found = await retriever.values("shop", ["premium customers from Barcelona"])
    assert {"customers.segment = 'premium'", "customers.city = 'Barcelona'"} <= set(found.lines)


async def test_what_the_question_names_is_found_without_keywords(retriever: Retriever) -> None:
    """Weak keywords do no harm; small letters neither; a longer name hides the shorter ones in it."""
    found = await retriever.values("shop", [], "what did customers from berlin say: does the job?")
    assert set(found.lines) == {
        "customers.city = 'Berlin'",
        "suppliers.city = 'Berlin'",
        "reviews.title = 'Does the job'",
    }
    found = await retriever.values("shop", ["Germny"], "which supplier of O'Hara Goods?")
    assert found.lines[0] == "suppliers.name = 'O''Hara Goods'"
    assert "customers.country = 'Germany'" in found.lines
    assert (await retriever.values("shop", [], "how many customers are there?")).lines == ()


async def test_what_the_hint_names_is_found_too(retriever: Retriever) -> None:
    """However long the question before it is."""
    question = f"how many of them are there{' really' * 40}?"
    hint = "them refers to customers in Berlin\nor with segment = 'premium'"
    assert (await retriever.values("shop", [], question)).lines == ()
    found = await retriever.values("shop", [], question, hint)
    assert set(found.lines) == {
        "customers.city = 'Berlin'",
        "suppliers.city = 'Berlin'",
        "customers.segment = 'premium'",
    }


async def test_names_of_columns_and_adjectives_are_no_values_unless_written_so(retriever: Retriever) -> None:
    """A supplier is called Price and sits in Nice."""
    assert (await retriever.values("shop", ["nice", "price"], "what has a nice price")).lines == ()
    found = await retriever.values("shop", ["price"], "what does Mrs Price of Nice sell")
    assert set(found.lines) == {"suppliers.name = 'Price'", "suppliers.city = 'Nice'"}


async def test_goods_are_found_by_a_part_of_their_names(retriever: Retriever) -> None:
    """A word of several names, in the singular or plural, is a condition; one of a single name isn't."""
    found = await retriever.values("shop", [], "Which customers bought tents or a shelf from granit?")
    assert found.lines == (
        "products.name LIKE '%Tent%'",
        "products.name LIKE '%Shelf%'",
        "products.name LIKE '%Granit%'",
    )
    assert (await retriever.values("shop", [], "what did o'hara deliver")).lines == ()


async def test_a_value_is_found_in_its_other_number(retriever: Retriever) -> None:
    """The category is stored as Phones."""
    found = await retriever.values("shop", [], "Who bought a phone or Tablets?")
    assert "categories.name = 'Phones'" in found.lines


async def test_what_is_found_is_bounded(retriever: Retriever) -> None:
    """Many keywords, or endless ones, give the best few matches."""
    words = [
        "Berlin",
        "Hamburg",
        "Munich",
        "Cologne",
        "Leipzig",
        "Paris",
        "Lyon",
        "Marseille",
        "Rome",
        "Milan",
    ]
    found = await retriever.values("shop", [*words, "x" * 100_000, "", "Berlin"])
    assert len(found.lines) == MAX_VALUES
    assert len(set(found.lines)) == MAX_VALUES
    columns = await retriever.columns("shop", ["name", "city", "country", "status", "date", "price"])
    assert len(columns.lines) == MAX_COLUMNS
    assert (await retriever.values("shop", [])).lines == ()


@pytest.mark.parametrize(
    ("keyword", "column"),
    [
        ("rating", "reviews.rating"),
        ("shiping fee", "orders.shipping_fee"),
        ("customer segment", "customers.segment"),
        ("payment", "orders.payment_method"),
        ("delivered on", "shipments.delivered_on"),
    ],
)
async def test_columns_are_found_by_their_names(retriever: Retriever, keyword: str, column: str) -> None:
    """Underscores, typing errors and the table's name in front don't matter."""
    assert column in (await retriever.columns("shop", [keyword])).lines


def test_limits_bound_what_is_read(registry: DatabaseRegistry) -> None:
    """Few values per column and in all; too short and too long ones, numbers, dates and keys are left out."""
    source, schema = registry.database("shop"), registry.schema("shop")
    never = lambda: False  # noqa: E731
    everything = scan_values(source, schema, ScanLimits(), never)
    assert everything.complete
    assert 2000 < len(everything.values) == len(everything.columns)
    assert not [value for value in everything.values if value.startswith("2024-")]
    assert set(everything.columns) >= {"customers.city", "products.name", "reviews.title"}
    assert "orders.ordered_on" not in everything.columns
    few = scan_values(source, schema, ScanLimits(values=50, column_values=20), never)
    assert not few.complete
    assert 20 < len(few.values) <= 50
    assert max(few.columns.count(column) for column in few.columns) <= 20
    large = {column.sql(schema.dialect) for column in few.large}
    assert large == set(everything.columns) - set(few.columns)
    assert {"customers.city", "products.name"} <= large
    assert not set(few.values) - set(everything.values)
    rows = scan_values(source, schema, ScanLimits(column_rows=3), never)
    assert not rows.complete
    assert max(rows.columns.count(column) for column in rows.columns) <= 3
    short = scan_values(source, schema, ScanLimits(shortest=4, longest=6), never)
    assert {len(value) for value in short.values} == {4, 5, 6}


def test_a_scan_stops_at_once(path: Path, tmp_path: Path) -> None:
    """Inside a long statement too, so that shutting down needn't wait for a large file."""
    big = tmp_path / "big.sqlite"
    with closing(sqlite3.connect(big)) as connection:
        connection.executescript(
            "CREATE TABLE t (v TEXT);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000)"
            "INSERT INTO t SELECT 'same value' FROM n;"
        )
    with closing(DatabaseRegistry()) as registry:
        registry.register("big", SqliteDatabase, str(big))
        source, schema = registry.database("big"), registry.schema("big")
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(ScanStoppedError):
        scan_values(source, schema, ScanLimits(), stopped)
    assert 3 < asked < 10
