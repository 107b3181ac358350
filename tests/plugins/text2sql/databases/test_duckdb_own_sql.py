"""DuckDB's own SQL: its ways to read are allowed, what does more is refused with the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.duckdb.duckdb_database import DuckdbDatabase
from tests.plugins.text2sql.databases.conftest import Shops
from tests.plugins.text2sql.databases.running_statements import AMPLE


@pytest.fixture
def registry(shops: Shops) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry("duckdb")) as registry:
        yield registry


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM (PIVOT orders ON status IN ('paid', 'open') USING sum(total) GROUP BY customer_id)",
        "WITH p AS (PIVOT orders ON status IN ('paid') USING count(*)) SELECT * FROM p",
        "SELECT * FROM (PIVOT orders USING sum(total) GROUP BY status)",
        "SELECT * FROM orders PIVOT (sum(total) FOR status IN ('paid', 'open'))",
        "WITH u AS (UNPIVOT products ON price, stock) SELECT * FROM u",
        "FROM products UNPIVOT (amount FOR kind IN (price, stock))",
        "FROM orders SELECT id",
        "WITH o AS (TABLE orders) FROM o",
        "SELECT * FROM (VALUES (1), (2)) AS v(i)",
        "FROM customers POSITIONAL JOIN orders",
        "SELECT min(COLUMNS('id|total')) FROM orders",
        "SELECT * EXCLUDE (id) REPLACE (lower(city) AS city) FROM customers",
        "SELECT list_transform([1, 2], lambda x: x + 1), [x FOR x IN [1, 2] IF x > 1], 'a'.upper()",
        "SELECT status, count(*) FROM orders GROUP BY ALL ORDER BY ALL",
        "FROM orders USING SAMPLE 2 ROWS",
        "SELECT label FROM (SELECT 1 AS id, 'x' AS label) AS \"show\"",
    ],
)
async def test_its_own_ways_to_read_are_allowed(registry: DatabaseRegistry, statement: str) -> None:
    """They are one SELECT for DuckDB and read nothing but tables."""
    result = await registry.execute("duckdb", statement, AMPLE)
    assert result.ok, result.error
    assert result.rows


async def test_a_table_may_have_a_reserved_word_in_quotes(tmp_path: Path) -> None:
    """Without quotes, ``(SHOW x)`` and ``(DESC x)`` describe what is there."""
    path = tmp_path / "shop.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute('CREATE TABLE "show" AS SELECT 1 AS a; CREATE TABLE "desc" AS SELECT 2 AS a')
    with closing(DatabaseRegistry()) as registry:
        registry.register("shop", DuckdbDatabase, f"duckdb:///{path}")
        for word, value in (("show", 1), ("desc", 2)):
            result = await registry.execute("shop", f'SELECT a FROM "{word}"', AMPLE)
            assert list(map(tuple, result.rows)) == [(value,)], result.error
            refused = await registry.execute("shop", f"SELECT * FROM ({word} other)", AMPLE)
            assert (refused.error_kind, refused.error) == (
                "rejected",
                f"{word.upper()} in place of a table is not allowed",
            )


@pytest.mark.parametrize("statement", ["SELECT * FROM (PIVOT orders ON status)", "PIVOT orders ON status"])
def test_pivot_without_values_would_make_a_type(tmp_path: Path, statement: str) -> None:
    """This is why it is refused: the type stays, with as many values as the column has."""
    with closing(duckdb.connect(str(tmp_path / "shop.duckdb"))) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 'paid' AS status")
        connection.execute(statement)
        made = connection.execute("SELECT count(*) FROM duckdb_types() WHERE NOT internal").fetchone()
    assert made == (1,)


async def test_the_remedy_for_pivot_is_named(registry: DatabaseRegistry) -> None:
    result = await registry.execute("duckdb", "WITH p AS (PIVOT orders ON status) SELECT * FROM p", AMPLE)
    assert (result.error_kind, result.error) == (
        "rejected",
        "PIVOT without its values (write ON a IN ('x', 'y')) is not allowed",
    )


async def test_a_file_is_no_table_whether_it_is_there_or_not(
    registry: DatabaseRegistry, tmp_path: Path
) -> None:
    """What a statement is told doesn't say which files there are."""
    there, missing = tmp_path / "a.csv", tmp_path / "b.csv"
    there.write_text("a\n1\n")
    told = []
    for path in (there, missing):
        for form in ("FROM '{}'", 'SELECT * FROM "{}"', "SELECT * FROM (FROM '{}')"):
            result = await registry.execute("duckdb", form.format(path), AMPLE)
            assert result.error_kind == "rejected"
            told.append((result.error or "").replace(str(path), "PATH"))
    assert told[:3] == told[3:]


async def test_a_fault_of_the_parser_is_a_refusal(registry: DatabaseRegistry) -> None:
    """It reads beyond the end of this one, and raises IndexError."""
    result = await registry.execute("duckdb", "((WITH w AS (SHOW ALL", AMPLE)
    assert (result.error_kind, result.error) == ("rejected", "there is no SELECT; write one")
    result = await registry.execute("duckdb", "SELECT 1 FROM ((WITH w AS (SHOW ALL", AMPLE)
    assert (result.error_kind, result.error) == ("rejected", "syntax error: it can't be parsed")
