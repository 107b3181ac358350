"""A connection only reads, keeps results small and safe, and explains its errors."""

from __future__ import annotations

import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.text2sql.databases import statement as statement_module
from plugins.text2sql.databases.database import ValueSpan
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite import connections
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from sched.errors import UnavailableError
from tests.plugins.text2sql.databases.running_statements import AMPLE


@pytest.fixture
async def registry(shop_path: Path) -> AsyncIterator[DatabaseRegistry]:
    registry = DatabaseRegistry(max_concurrency=2)
    registry.register("shop", SqliteDatabase, str(shop_path))
    yield registry
    registry.close()


def limited(path: Path, **limits: Any) -> Iterator[DatabaseRegistry]:
    registry = DatabaseRegistry(**limits)
    registry.register("shop", SqliteDatabase, str(path))
    with closing(registry):
        yield registry


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_column_names_are_those_of_the_statement(registry: DatabaseRegistry) -> None:
    """A dot in a column's name stays: the driver layer's guess at table names is off."""
    result = await registry.execute(
        "shop", "SELECT 1.5, id AS 'a.b', 2 AS x, 3 AS x FROM orders LIMIT 1", AMPLE
    )
    assert result.columns == ("1.5", "a.b", "x", "x")


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("SELECT nothing_here FROM orders", "invalid", "no such column: nothing_here"),
        ("SELECT * FROM ordres", "invalid", "no such table: ordres"),
        ("SELECT 1 WHERE 1 = ?", "invalid", "binding"),
        ("SELECT :name", "invalid", "binding"),
        ("SELECT abs(-9223372036854775808)", "invalid", "integer overflow"),
        ("SELECT 'a' REGEXP 'b'", "invalid", "not authorized to use function: REGEXP"),
        ("SELECT 1; SELECT 2", "rejected", "found 2 statements"),
        ("DELETE FROM orders", "rejected", "DELETE is not allowed"),
        ("", "rejected", "no SQL statement"),
        ("this is not SQL", "rejected", "this is no SELECT"),
    ],
)
async def test_a_bad_statement_is_a_result(
    registry: DatabaseRegistry, statement: str, kind: str, message: str
) -> None:
    """Errors come back as text for the revision stage, with their kind and the statement."""
    result = await registry.execute("shop", statement, AMPLE)
    assert not result.ok
    assert result.error_kind == kind
    assert message in (result.error or "")
    assert result.statement == statement
    assert result.rows == ()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "CREATE TEMP TABLE t (a)",
        "ATTACH ':memory:' AS other",
        "PRAGMA query_only = OFF",
        "SELECT load_extension('evil.so')",
        "INSERT INTO orders DEFAULT VALUES RETURNING id",
        "BEGIN",
        "VACUUM INTO '/tmp/copy.sqlite'",
    ],
)
async def test_the_connection_itself_refuses_to_write(
    registry: DatabaseRegistry, shop_path: Path, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the statement check let it through, nothing but reading is possible."""
    before = file_hash(shop_path)
    monkeypatch.setattr(statement_module, "check_select", lambda text, _: text)
    result = await registry.execute("shop", statement, AMPLE)
    assert result.error_kind in ("rejected", "invalid")
    assert file_hash(shop_path) == before


async def test_reading_features_are_not_cut_off(registry: DatabaseRegistry) -> None:
    """The guards leave CTEs, windows, JSON, dates and LIKE alone."""
    for statement in (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
        "SELECT id, rank() OVER (ORDER BY total DESC) FROM orders LIMIT 3",
        "SELECT value FROM json_each('[1, 2]')",
        "SELECT strftime('%Y', ordered_on), round(sum(total), 2) FROM orders GROUP BY 1",
        "SELECT name FROM products WHERE name LIKE '%Pro%' INTERSECT SELECT name FROM products",
        "SELECT group_concat(name, '; ') FROM categories",
    ):
        result = await registry.execute("shop", statement, AMPLE)
        assert result.ok, result.error
        assert result.rows


async def test_rows_are_cut_at_the_row_limit(shop_path: Path) -> None:
    """Exactly the limit is complete, one more is truncated; the rows kept are the first."""
    for registry in limited(shop_path, max_rows=10):
        exact = await registry.execute("shop", "SELECT id FROM orders ORDER BY id LIMIT 10", AMPLE)
        more = await registry.execute("shop", "SELECT id FROM orders ORDER BY id LIMIT 11", AMPLE)
    assert (len(exact.rows), exact.truncated) == (10, False)
    assert (len(more.rows), more.truncated) == (10, True)
    assert more.rows == exact.rows


async def test_rows_are_cut_at_the_byte_limit(shop_path: Path) -> None:
    """Wide rows stop the result before the row limit does."""
    for registry in limited(shop_path, max_bytes=10_000):
        result = await registry.execute("shop", "SELECT printf('%1000d', id) FROM orders", AMPLE)
    assert result.ok
    assert result.truncated
    assert len(result.rows) == 10


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT hex(zeroblob(1000000000))",
        "SELECT length(zeroblob(1000000000))",
        "SELECT length(group_concat(email, email)) FROM customers, categories",
    ],
)
async def test_a_giant_value_is_refused(registry: DatabaseRegistry, statement: str) -> None:
    """A value over the limit is an error before its memory is taken."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await registry.execute("shop", statement, AMPLE)
    assert result.error_kind == "invalid"
    assert "too big" in (result.error or "")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


_HUNGRY = """
import asyncio, sys
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.sqlite import connections
from plugins.text2sql.databases.sqlite import connections
from plugins.text2sql.databases.sqlite.sqlite_database import SqliteDatabase
from sched.errors import UnavailableError
connections._HEAP_BYTES = 20_000_000
registry = DatabaseRegistry()
registry.register("shop", SqliteDatabase, sys.argv[1])
for statement in sys.argv[2:]:
    print(asyncio.run(registry.execute("shop", statement, 10_000)).error)
registry.close()
"""


def test_too_much_memory_is_an_error(shop_path: Path) -> None:
    """In a process of its own: the limit is the process's."""
    long = "hex(zeroblob(100000))"
    hungry = [
        f"SELECT json_group_array({long}) FROM order_items",
        f"SELECT {long} FROM order_items ORDER BY random()",
        "SELECT count(*) FROM (SELECT DISTINCT hex(randomblob(100000)) FROM order_items)",
        "SELECT count(*) FROM nowhere",
    ]
    command = [sys.executable, "-c", _HUNGRY, str(shop_path), *hungry]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    *errors, last = done.stdout.splitlines()
    assert errors == ["the statement takes too much memory"] * 3, done.stderr
    assert last == "no such table: nowhere"


async def test_values_are_safe_for_json(tmp_path: Path) -> None:
    """Bytes, infinities, text that isn't UTF-8 and 64-bit numbers reach the client as JSON."""
    path = tmp_path / "odd.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT x'00ff' AS b, 9e999 AS i, -9e999 AS j, NULL AS n")
        connection.execute("ALTER TABLE t ADD COLUMN u TEXT")
        connection.execute("UPDATE t SET u = CAST(x'61ff62' AS TEXT)")
        connection.commit()
    for registry in limited(path):
        result = await registry.execute("shop", "SELECT b, i, j, n, u, 9223372036854775807 FROM t", AMPLE)
        names = [column.name for column in registry.schema("shop").tables[0].columns]
    assert result.rows == (("00ff", "inf", "-inf", None, "a\ufffdb", 2**63 - 1),)
    assert json.loads(json.dumps(result.rows, allow_nan=False))
    assert names == ["b", "i", "j", "n", "u"]


def written(path: Path, *texts: str) -> Path:
    """Put a new file with a table of ``texts`` at ``path``."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (word TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
    return path


def test_readings_share_a_connection(registry: DatabaseRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one would read the whole schema before each column."""
    opened = []
    connect = connections.open_read_only

    def noted(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path)
        return connect(path, *arguments, **options)

    monkeypatch.setattr(connections, "open_read_only", noted)
    database = registry.database("shop")
    for _ in range(3):
        assert database.distinct("orders", "status", ValueSpan(1, 64, 9999), 99, lambda: False).values
        assert database.equal("customers", "segment", ["premium"], 5, lambda: False) == ["premium"]
        assert database.schema_identity()
    assert len(opened) == 1


def test_a_reading_that_is_stopped_stops_no_other(tmp_path: Path) -> None:
    """Though they share a connection."""
    path = written(tmp_path / "words.sqlite", *(f"word {i}" for i in range(20_000)))
    for registry in limited(path):
        database = registry.database("shop")
        with pytest.raises(UnavailableError, match="interrupted"):
            database.equal("t", "word", ["word 7"], 5, lambda: True)
        assert database.equal("t", "word", ["word 7"], 5, lambda: False) == ["word 7"]
        assert registry.schema("shop").tables[0].row_count == 20_000


def test_a_file_in_the_place_of_another_is_read(tmp_path: Path) -> None:
    """And one that is gone can't be."""
    path = written(tmp_path / "words.sqlite", "first")
    for registry in limited(path):
        database = registry.database("shop")
        assert database.equal("t", "word", ["first", "second"], 5, lambda: False) == ["first"]
        written(tmp_path / "new.sqlite", "second").replace(path)
        assert database.equal("t", "word", ["first", "second"], 5, lambda: False) == ["second"]
        path.unlink()
        with pytest.raises(UnavailableError, match=r"words\.sqlite"):
            database.equal("t", "word", ["second"], 5, lambda: False)
