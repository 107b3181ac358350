"""A model's SQL in another dialect: as text, for databases that needn't run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.model_dialect import DatabasesAsWritten, dialect_named
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.databases.translation.translated_statement import translated
from sched.errors import ConfigError

MYSQL = Dialect("mysql", "MariaDB")


def _table(name: str, *columns: tuple[str, str, Kind]) -> Table:
    made = (Column(of, type_, of == "seen_on", of == "id", kind, ()) for of, type_, kind in columns)
    return Table(name, tuple(made), (), 10)


TABLES = (
    _table(
        "orders",
        ("id", "int", Kind.NUMBER),
        ("ordered_on", "date", Kind.DATE),
        ("seen_on", "date", Kind.DATE),
        ("status", "varchar(20)", Kind.TEXT),
        ("total", "decimal(10,2)", Kind.NUMBER),
        ("items", "int", Kind.NUMBER),
        ("paid", "boolean", Kind.OTHER),
    ),
    _table("archive.orders", ("id", "int", Kind.NUMBER)),
    _table("MixedCase", ("Id", "int", Kind.NUMBER), ("order", "text", Kind.TEXT)),
)


def _in(dialect: Dialect, statement: str, written_in: Dialect = SQLITE) -> str:
    seen = replace(written_in, default_schema=dialect.default_schema)
    return translated(statement, DatabaseSchema(TABLES, seen, runs_as=dialect))


@pytest.mark.parametrize(
    ("statement", "there"),
    [
        ("SELECT status FROM orders WHERE status LIKE 'Sh%'", "LOWER(status) LIKE 'sh%'"),
        (
            "SELECT id FROM orders WHERE ordered_on LIKE '%-03-%'",
            "CAST(ordered_on AS CHAR) LIKE '%-03-%'",
        ),
        ("SELECT id FROM orders WHERE ordered_on >= '2024-03'", "CAST(ordered_on AS CHAR) >= '2024-03'"),
        ("SELECT id FROM orders WHERE ordered_on >= '2024-03-01'", "WHERE ordered_on >= '2024-03-01'"),
        ("SELECT strftime('%Y-%m', ordered_on) FROM orders", "DATE_FORMAT(ordered_on, '%Y-%m')"),
        ("SELECT items / 2 FROM orders", "items DIV 2"),
        ("SELECT total / 2 FROM orders", "CAST(total AS DOUBLE) / 2"),
        ("SELECT avg(items) FROM orders", "AVG(CAST(items AS DOUBLE))"),
        ("SELECT status || id FROM orders", "CONCAT(status, CAST(id AS CHAR))"),
        ("SELECT julianday(seen_on) - julianday(ordered_on) FROM orders", "DATEDIFF(seen_on, ordered_on)"),
        ("SELECT id FROM orders LIMIT 5, 10", "LIMIT 10 OFFSET 5"),
        ("SELECT id FROM orders ORDER BY seen_on, id DESC", "ORDER BY seen_on, id DESC"),
        ('SELECT "id" FROM [orders]', "SELECT id FROM orders"),
        ("SELECT date('now', 'start of year') FROM orders", "DATE_FORMAT(CURRENT_TIMESTAMP(), '%Y-01-01')"),
        ("SELECT status, id FROM orders GROUP BY status", "SELECT status, MIN(id) AS id FROM orders"),
        ("SELECT status, max(total) FROM orders GROUP BY id", "SELECT MIN(status) AS status, MAX(total)"),
        ("SELECT status, max(total) FROM orders", "SELECT status, MAX(total) FROM orders"),
        ("SELECT id FROM orders WHERE id = '17' AND status = 5", "id = 17 AND status = '5'"),
    ],
)
def test_mysql(statement: str, there: str) -> None:
    assert there in _in(MYSQL, statement)


@pytest.mark.parametrize(
    ("statement", "there"),
    [
        ("SELECT ID FROM mixedcase WHERE [Order] LIKE 'a%'", 'FROM "MixedCase" WHERE "order" ILIKE'),
        ("SELECT MixedCase.id FROM MixedCase", 'SELECT "MixedCase"."Id" FROM "MixedCase"'),
        ("SELECT id FROM archive.orders", "FROM archive.orders"),
        (
            "SELECT id FROM orders WHERE ordered_on LIKE '2024-12-%'",
            "WHERE ordered_on >= '2024-12-01' AND ordered_on < '2025-01-01'",
        ),
        (
            "SELECT id FROM orders WHERE ordered_on NOT LIKE '2024%'",
            "WHERE NOT (ordered_on >= '2024-01-01' AND ordered_on < '2025-01-01')",
        ),
        ("SELECT id FROM orders WHERE ordered_on LIKE '2024-02-29%'", "ordered_on < '2024-03-01'"),
        ("SELECT id FROM orders WHERE ordered_on LIKE '2023-02-29%'", "LIKE '2023-02-29%'"),
        ("SELECT id FROM orders WHERE ordered_on LIKE '9999%'", "LIKE '9999%'"),
        ("SELECT id FROM orders WHERE paid = 1", "WHERE paid = TRUE"),
        ("SELECT sum(paid) FROM orders", "SUM(CAST(paid AS INT))"),
        ("SELECT id FROM orders ORDER BY seen_on LIMIT 3", "ORDER BY seen_on NULLS FIRST LIMIT 3"),
        ("SELECT id FROM orders ORDER BY total DESC LIMIT 3", "ORDER BY total DESC LIMIT 3"),
        ("SELECT status, total FROM orders GROUP BY id", "SELECT status, total FROM orders GROUP BY id"),
        ("SELECT id, status FROM orders GROUP BY status", "SELECT (ARRAY_AGG(id))[1] AS id, status"),
        ("SELECT * FROM (SELECT id FROM orders)", "(SELECT id FROM orders) AS derived_0"),
        ("SELECT status FROM orders WHERE status LIKE '%\\_%'", "LIKE '%\\_%' ESCAPE ''"),
        ('SELECT id FROM orders WHERE status = "paid up"', 'status = "paid up"'),
    ],
)  # fmt: skip
def test_postgresql(statement: str, there: str) -> None:
    assert there in _in(POSTGRESQL, statement)


def test_duckdb_takes_the_row_of_a_maximum() -> None:
    there = _in(DUCKDB, "SELECT status, max(total) FROM orders")
    assert there == "SELECT ARG_MAX(status, total) AS status, MAX(total) FROM orders"


def test_another_dialect_than_sqlites_is_translated_by_sqlglot() -> None:
    statement = "SELECT `status`, IF(total > 5, 1, 0) FROM `orders` LIMIT 5, 10"
    there = _in(POSTGRESQL, statement, MYSQL)
    assert there == "SELECT status, CASE WHEN total > 5 THEN 1 ELSE 0 END FROM orders LIMIT 10 OFFSET 5"


@pytest.mark.parametrize(
    "statement",
    ["SELECT FROM WHERE", "DELETE FROM orders", "SELECT 1; SELECT 2", "", "no SQL", "x" * 30_000],
)
def test_what_is_no_query_stays_as_it_is(statement: str) -> None:
    assert _in(POSTGRESQL, statement) == statement


@given(st.text(alphabet="SELCT FROMorders id*(),'\"`=%_1\\\n-;[]", max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    for dialect in (POSTGRESQL, DUCKDB, MYSQL):
        assert isinstance(_in(dialect, "SELECT id FROM orders WHERE " + text), str)


def test_a_database_of_the_models_dialect_is_seen_as_it_is() -> None:
    class Databases:
        made = DatabaseSchema(TABLES, SQLITE)

        def schema(self, name: str) -> DatabaseSchema:
            return self.made

        def database(self, name: str) -> None:
            raise AssertionError

    databases = Databases()
    for dialect in (None, "sqlite"):
        assert DatabasesAsWritten(databases, dialect).schema("shop") is databases.made  # type: ignore[arg-type]
    databases.made = DatabaseSchema(TABLES, POSTGRESQL)
    seen = DatabasesAsWritten(databases, "SQLite")  # type: ignore[arg-type]
    schema = seen.schema("shop")
    assert (schema.dialect.title, schema.runs_as) == ("SQLite", POSTGRESQL)
    assert schema.dialect.table("archive.orders") == "archive.orders"
    assert seen.schema("shop") is schema
    databases.made = DatabaseSchema(TABLES[:1], POSTGRESQL)
    assert seen.schema("shop").tables == TABLES[:1]


def test_names_of_dialects() -> None:
    assert dialect_named("PostgreSQL") is POSTGRESQL
    assert dialect_named("mariadb").name == "mysql"
    with pytest.raises(
        ConfigError, match=r"unknown dialect 'sqllite'; did you mean sqlite\?.*duckdb"
    ) as raised:
        dialect_named("sqllite")
    assert raised.value.field == "sql_dialect"
