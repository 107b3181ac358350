"""What every kind of database owes the workflow, asked of each with the same shop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import Kind, render
from plugins.text2sql.databases.value_scan import ScanLimits, identity, scan_values
from tests.plugins.text2sql.databases.conftest import MARIADB, Shops
from tests.plugins.text2sql.databases.running_statements import AMPLE, MovedTime, running, until, until_idle

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
CROSS_JOIN = (
    "SELECT count(*) FROM order_items AS a, order_items AS b, order_items AS c "
    "WHERE a.quantity + b.quantity < c.quantity + a.order_id * b.order_id - c.product_id"
)
QUESTIONS = (
    "SELECT count(*) FROM orders",
    "SELECT count(*) AS n, min(total), max(total) FROM orders WHERE status = 'delivered'",
    "SELECT country, count(*) FROM customers GROUP BY country ORDER BY 2 DESC, 1 LIMIT 5",
    "SELECT c.name, round(avg(p.price), 2) FROM products p JOIN categories c ON c.id = p.category_id "
    "GROUP BY c.name ORDER BY 1",
    "SELECT first_name, last_name FROM customers WHERE id IN (SELECT customer_id FROM orders "
    "GROUP BY customer_id HAVING count(*) > 8) ORDER BY id",
    "WITH spent AS (SELECT customer_id, sum(total) AS s FROM orders GROUP BY customer_id) "
    "SELECT customer_id, round(s, 2) FROM spent ORDER BY s DESC, 1 LIMIT 3",
    "SELECT id, rank() OVER (ORDER BY price DESC, id) FROM products ORDER BY 2 LIMIT 4",
    "SELECT ordered_on, total FROM orders WHERE ordered_on >= '2024-12-01' ORDER BY id LIMIT 7",
    "SELECT name FROM products WHERE name LIKE '%Pro %' INTERSECT SELECT name FROM products ORDER BY 1",
    "SELECT s.carrier, count(*) FROM shipments s LEFT JOIN orders o ON o.id = s.order_id "
    "WHERE s.delivered_on IS NULL GROUP BY s.carrier ORDER BY s.carrier",
    "SELECT CASE WHEN rating >= 4 THEN 'good' ELSE 'bad' END AS verdict, count(*) FROM reviews "
    "GROUP BY 1 ORDER BY 1",
    "SELECT 'fifty %' AS a, 'it''s' AS b, 1 = 1 AS c, NULL AS d, -7 AS e",
)


def alike(rows: Any) -> Any:
    """Return rows for comparison: SQLite has no booleans, and its sums are inexact."""
    return [
        tuple(pytest.approx(float(cell)) if isinstance(cell, int | float) else cell for cell in row)
        for row in rows
    ]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_same_sql_gives_the_same_rows(shops: Shops, kind: str, question: str) -> None:
    """In the words that databases have in common; numbers are numbers, dates ISO 8601."""
    registry = shops.registry("sqlite", kind) if kind != "sqlite" else shops.registry("sqlite")
    expected = await registry.execute("sqlite", question, AMPLE)
    found = await registry.execute(kind, question, AMPLE)
    registry.close()
    assert found.ok, found.error
    assert expected.rows
    assert list(found.rows) == alike(expected.rows)
    assert json.loads(json.dumps(found.rows, allow_nan=False))


@pytest.mark.parametrize("statement", [ENDLESS, CROSS_JOIN])
async def test_a_statement_ends_at_its_time_limit(shops: Shops, kind: str, statement: str) -> None:
    """It is interrupted, its thread is free again, and the next one runs."""
    clock = MovedTime(asyncio.get_running_loop())
    registry = shops.registry(kind, max_concurrency=1, clock=clock)
    answer = asyncio.create_task(registry.execute(kind, statement, 5000))
    await until(lambda: running(registry) == 1)
    clock.advance(5000)
    result = await answer
    assert (result.error_kind, result.error) == (
        "timeout",
        "the statement was stopped at its time limit of 5000 s",
    )
    await until_idle(registry)
    assert (await registry.execute(kind, "SELECT 1", AMPLE)).rows == ((1,),)
    registry.close()


async def test_a_statement_ends_when_its_caller_is_cancelled(shop: DatabaseRegistry, kind: str) -> None:
    """A client that goes away frees the database."""
    answer = asyncio.create_task(shop.execute(kind, ENDLESS, AMPLE))
    await until(lambda: running(shop) == 1)
    answer.cancel()
    await until_idle(shop)
    with pytest.raises(asyncio.CancelledError):
        await answer
    assert (await shop.execute(kind, "SELECT 1", AMPLE)).ok


@pytest.mark.parametrize("kind", ["duckdb", "postgresql", MARIADB], indirect=True)
async def test_the_database_ends_a_statement_by_itself(shops: Shops, kind: str) -> None:
    """Should nobody be left to interrupt it."""
    registry = shops.registry(kind, max_seconds=0.2)
    result = await registry.execute(kind, ENDLESS, AMPLE)
    registry.close()
    assert result.error_kind == "timeout", result.error


async def test_rows_are_cut_at_the_limits(shops: Shops, kind: str) -> None:
    """Of rows, of bytes, of a value's bytes."""
    registry = shops.registry(kind, max_rows=10, max_bytes=100_000, max_value_bytes=20_000)
    many = await registry.execute(kind, "SELECT id FROM order_items ORDER BY id", AMPLE)
    wide = await registry.execute(
        kind, "SELECT replace('aaaaaaaaaa', 'a', email || email || email) FROM customers", AMPLE
    )
    long = "'" + "b" * 3_000 + "'"
    giant = await registry.execute(kind, f"SELECT replace('aaaaaaaaaa', 'a', {long})", AMPLE)
    registry.close()
    assert (len(many.rows), many.truncated) == (10, True)
    assert wide.ok
    assert giant.error_kind == "invalid"
    assert "too big" in (giant.error or "")


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
async def test_what_is_in_an_array_counts_too(shops: Shops, kind: str) -> None:
    """Towards the limit of a value, and of all rows."""
    registry = shops.registry(kind, max_rows=100, max_bytes=20_000, max_value_bytes=10_000)
    array = "SELECT array_agg(o.id) FROM orders AS o JOIN customers AS c ON c.id <= {0} WHERE o.id <= {1}"
    big = await registry.execute(kind, array.format(1, 4_000), AMPLE)
    many = await registry.execute(
        kind, f"WITH a AS ({array.format(1, 500)}) SELECT a.* FROM a, orders WHERE id < 50", AMPLE
    )
    registry.close()
    assert (big.error_kind, big.error) == ("invalid", "a value is too big: more than 10000 bytes")
    assert many.truncated
    assert 0 < len(many.rows) < 10


@pytest.mark.parametrize(
    ("statement", "known"),
    [
        ("SELECT emial FROM customers", "email"),
        ("SELECT c.emial FROM customers c", "email"),
        ("SELECT * FROM costumers", "customers"),
    ],
)
async def test_an_unknown_name_is_told_the_near_ones(
    shop: DatabaseRegistry, kind: str, statement: str, known: str
) -> None:
    """Whatever the database says by itself."""
    shop.schema(kind)
    result = await shop.execute(kind, statement, AMPLE)
    assert result.error_kind == "invalid"
    assert f"near: {known}" in (result.error or "")
    assert "\n" not in (result.error or "")


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1 / 0 FROM", "SELECT count(*) FROM orders GROUP", "SELECT (", "SELECT '\ud800'"],
)
async def test_wrong_sql_is_a_result(shop: DatabaseRegistry, kind: str, statement: str) -> None:
    """Not an exception."""
    assert (await shop.execute(kind, statement, AMPLE)).error_kind in ("rejected", "invalid")


def test_the_schema_has_the_tables_with_keys_and_samples(shop: DatabaseRegistry, kind: str) -> None:
    """As prompts show them."""
    tables = {table.name: table for table in shop.schema(kind).tables}
    orders, customers = tables["orders"], tables["customers"]
    assert orders.row_count == 4500
    assert [(key.columns, key.target, key.target_columns) for key in orders.foreign_keys] == [
        (("customer_id",), "customers", ("id",))
    ]
    columns = {column.name: column for column in (*orders.columns, *customers.columns)}
    assert columns["id"].primary_key
    assert columns["total"].kind is Kind.NUMBER
    assert columns["ordered_on"].kind is Kind.DATE
    assert [columns["ordered_on"].samples[i] for i in (0, -1)] == ["2022-01-01", "2024-12-31"]
    assert set(columns["segment"].choices) == {"consumer", "business", "premium"}
    assert columns["segment"].samples[0] == "consumer"
    assert columns["email"].choices == ()
    assert shop.schema(kind) is shop.schema(kind)


def test_the_schema_is_the_same_each_time(shops: Shops, kind: str) -> None:
    """A prompt that changed between two starts would be cached by no runtime."""
    texts = set()
    for _ in range(2):
        registry = shops.registry(kind)
        texts.add(render(registry.schema(kind)))
        registry.close()
    assert len(texts) == 1


def never() -> bool:
    """Nobody stops a reading."""
    return False


def test_values_are_indexed(shop: DatabaseRegistry, kind: str) -> None:
    """The different values of text columns, and which columns have too many."""
    found = scan_values(shop.database(kind), shop.schema(kind), ScanLimits(column_values=100), never)
    values = dict(zip(found.values, found.columns, strict=True))
    assert values["Hamburg"] in ("customers.city", "suppliers.city")
    assert values["PostNord"] == "shipments.carrier"
    large = {(column.table, column.name) for column in found.large}
    assert ("customers", "email") in large
    assert ("customers", "city") not in large


def test_values_are_looked_up(shop: DatabaseRegistry, kind: str) -> None:
    """Those of columns that have too many to index."""
    database = shop.database(kind)
    email = database.beginning("customers", "email", ["anna."], 3, never)[0]
    assert email.startswith("anna.")
    assert list(database.equal("customers", "email", [email, "nobody"], 5, never)) == [email]
    assert list(database.beginning("customers", "city", ["HAMB", "xx"], 5, never)) == ["Hamburg"]
    assert list(database.beginning("customers", "city", ["%"], 5, never)) == []
    assert database.distinct("customers", "city", ValueSpan(1, 6, 10_000), 50, never).values


def test_identities_stay_while_nothing_changes(shop: DatabaseRegistry, kind: str) -> None:
    """Else the index would be made again and again."""
    database, schema = shop.database(kind), shop.schema(kind)
    assert database.schema_identity() == database.schema_identity()
    assert identity(database, schema, ScanLimits()) == identity(database, schema, ScanLimits())
    assert not shop.refresh(kind)


async def test_a_closed_registry_answers(shop: DatabaseRegistry, kind: str) -> None:
    """With an error, and may be closed twice."""
    shop.close()
    shop.close()
    assert (await shop.execute(kind, "SELECT 1", AMPLE)).error_kind == "unavailable"
