"""Names of a statement are looked for in the schema, without running it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from plugins.text2sql.databases.database import UnknownName
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.known_names import unknown_name

KNOWN = [
    "SELECT count(*) FROM customers",
    "SELECT COUNTRY, Count(*) AS n FROM Customers GROUP BY country HAVING n > 1 ORDER BY n",
    "SELECT c.first_name FROM customers AS c WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id)",
    "SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE first_name = 'A')",
    "WITH x AS (SELECT id AS number FROM customers) SELECT number FROM x JOIN orders ON customer_id = number",
    "WITH x (a) AS (SELECT id FROM customers) SELECT x.a FROM x",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n",
    "SELECT t.id FROM (SELECT * FROM customers) AS t",
    "SELECT t.n FROM (SELECT id AS n FROM customers UNION SELECT id FROM orders) AS t",
    "SELECT id FROM customers UNION SELECT id FROM orders ORDER BY id",
    "SELECT rowid, customers.rowid FROM customers",
    "SELECT first_name FROM customers JOIN orders USING (id)",
    "SELECT value FROM json_each('[1]')",
    "SELECT j.value FROM customers, json_each('[1]') AS j",
    "SELECT row_number() OVER (PARTITION BY country ORDER BY id) AS place FROM customers",
    'SELECT "count(*)" FROM (SELECT count(*) FROM customers)',
    "WITH x AS (SELECT id, id + 1 FROM customers) SELECT `id + 1` FROM x",
    "SELECT 1",
]
UNKNOWN = [
    ("SELECT count(*) FROM customer", UnknownName("table", "customer")),
    ("SELECT nme FROM customers", UnknownName("column", "nme")),
    ("SELECT customers.nme FROM customers", UnknownName("column", "customers.nme")),
    ("SELECT c.id FROM customers", UnknownName("column", "c.id")),
    ("SELECT id FROM customers WHERE id IN (SELECT nme FROM orders)", UnknownName("column", "nme")),
    ("WITH x AS (SELECT id FROM customers) SELECT country FROM x", UnknownName("column", "country")),
    (
        "SELECT o.first_name FROM customers c JOIN orders o ON o.id = c.id",
        UnknownName("column", "o.first_name"),
    ),
    ("SELECT t.id FROM (SELECT id AS n FROM customers) AS t", UnknownName("column", "t.id")),
    ("SELECT id FROM customers UNION SELECT nme FROM orders", UnknownName("column", "nme")),
]


@pytest.mark.parametrize("statement", KNOWN)
def test_a_statement_that_runs_is_not_refused(
    registry: DatabaseRegistry, shop_path: Path, statement: str
) -> None:
    """SQLite says that it runs."""
    with sqlite3.connect(f"{shop_path.as_uri()}?mode=ro", uri=True) as connection:
        connection.execute(statement).fetchone()
    assert unknown_name(statement, registry.schema("shop")) is None


@pytest.mark.parametrize(("statement", "unknown"), UNKNOWN)
def test_an_unknown_name_is_found(
    registry: DatabaseRegistry, shop_path: Path, statement: str, unknown: UnknownName
) -> None:
    """SQLite doesn't know it, either."""
    with (
        sqlite3.connect(f"{shop_path.as_uri()}?mode=ro", uri=True) as connection,
        pytest.raises(sqlite3.OperationalError, match="no such"),
    ):
        connection.execute(statement)
    assert unknown_name(statement, registry.schema("shop")) == unknown


def test_what_can_not_be_parsed_is_not_judged(registry: DatabaseRegistry) -> None:
    """The check of the statement refuses it."""
    assert unknown_name("SELECT FROM WHERE", registry.schema("shop")) is None
