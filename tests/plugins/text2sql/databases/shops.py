"""The demo shop in every kind of database, with the same rows, and beside it what only that kind has."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from launch.bench.databases.postgresql_server import PostgresqlServer
from plugins.text2sql.demo.shop import build_shop

READER, READER_PASSWORD = "reader", "reads-only-7"
_DATES = re.compile(r"(\w+_on|partner_since) TEXT")


def tables(shop: Path) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    """Yield the name, the definition with types of any database, and the rows of each table."""
    with closing(sqlite3.connect(shop)) as connection:
        listed = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        for name, definition in listed:
            typed = _DATES.sub(r"\1 DATE", definition).replace(" REAL", " DECIMAL(10, 2)")
            yield name, typed, connection.execute(f"SELECT * FROM {name}").fetchall()


def as_csv(rows: list[tuple[Any, ...]]) -> str:
    """Return rows as CSV, NULL as nothing."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def sqlite_shop(folder: Path) -> str:
    """Return the address of the shop in SQLite."""
    build_shop(folder / "shop.sqlite")
    return str(folder / "shop.sqlite")


def add_virtual_tables(shop: str) -> None:
    """Add what only SQLite has: tables whose content it keeps in tables of its own."""
    with closing(sqlite3.connect(shop)) as connection:
        connection.executescript(_OF_SQLITE)


def duckdb_shop(shop: Path, folder: Path) -> str:
    """Return the address of a copy of ``shop`` in DuckDB."""
    path = folder / "shop.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        for name, definition, rows in tables(shop):
            connection.execute(definition)
            part = folder / f"{name}.csv"
            part.write_text(as_csv(rows))
            connection.execute(f"COPY {name} FROM '{part}' (HEADER false)")
        connection.execute(_EXTRA + _OF_DUCKDB)
    return f"duckdb:///{path}"


def postgresql_shop(shop: Path, server: PostgresqlServer) -> str:
    """Return the address of a copy of ``shop`` in PostgreSQL, of a role that may only read."""
    with server.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS shop WITH (FORCE)")
        connection.execute("CREATE DATABASE shop")
    with server.connect("shop") as connection:
        for name, definition, rows in tables(shop):
            connection.execute(definition.encode())
            with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)".encode()) as copy:
                copy.write(as_csv(rows))
        connection.execute((_EXTRA + _OF_POSTGRESQL).encode())
        connection.execute("ANALYZE")
        connection.execute("CREATE TABLE unknown_yet AS SELECT 'never analysed' AS note, 7 AS number")
        connection.execute(_ROLE.encode())
    return server.address("shop", READER, READER_PASSWORD)


# What both servers have beside the shop: other schemas, awkward names, comments, views.
_EXTRA = """
CREATE SCHEMA archive;
CREATE TABLE archive.orders (id INTEGER PRIMARY KEY, note TEXT);
INSERT INTO archive.orders VALUES (1, 'the oldest'), (2, 'a later one');
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Select" ("Group" TEXT, "a b" INTEGER, "it""s" TEXT);
INSERT INTO "Odd Schema"."Select" VALUES ('North', 1, 'x'), ('South', 2, 'y');
CREATE TABLE "MixedCase" ("Id" INTEGER PRIMARY KEY, "order" TEXT);
INSERT INTO "MixedCase" VALUES (1, 'first');
CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE status IN ('pending', 'paid');
COMMENT ON TABLE customers IS 'everyone who ever bought';
COMMENT ON COLUMN customers.segment IS 'consumer, business or
premium';
"""
_OF_SQLITE = """
CREATE VIRTUAL TABLE docs USING fts5 (title);
INSERT INTO docs VALUES ('a title');
CREATE VIRTUAL TABLE box USING rtree (id, low, high);
INSERT INTO box VALUES (1, 0.0, 1.0);
"""
_OF_DUCKDB = """
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE odd_values AS SELECT 1 AS id, 12.50::DECIMAL(10, 2) AS money, 7::DECIMAL(10, 0) AS whole,
  TIMESTAMP '2025-01-31 08:30:00' AS moment, TIMESTAMPTZ '2025-01-31 08:30:00+00' AS moment_there,
  DATE '2025-01-31' AS day, TIME '08:30:00' AS hour, INTERVAL '26 hours' AS span,
  '7c7ddf2c-5fd2-4ad0-9fd6-2cd5bd54e4a9'::UUID AS key, [1, 2] AS list, {'a': 1, 'b': ['x']} AS struct,
  'cross'::mood AS mood, '\\x00\\xFF'::BLOB AS bytes, 'nan'::DOUBLE AS nan, 'inf'::DOUBLE AS inf,
  true AS yes, NULL::INTEGER AS nothing, 170141183460469231731687303715884105727::HUGEINT AS huge,
  9223372036854775807 AS big;
CREATE SEQUENCE counter;
"""
_OF_POSTGRESQL = """
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE TABLE odd_values AS SELECT 1 AS id, 12.50::numeric(10, 2) AS money, 7::numeric AS whole,
  timestamp '2025-01-31 08:30:00' AS moment, timestamptz '2025-01-31 09:30:00+01' AS moment_there,
  date '2025-01-31' AS day, time '08:30:00' AS hour, interval '26 hours' AS span,
  '7c7ddf2c-5fd2-4ad0-9fd6-2cd5bd54e4a9'::uuid AS key, ARRAY[1, 2] AS list,
  '{"a": 1, "b": ["x"]}'::jsonb AS struct, 'cross'::mood AS mood, '\\x00ff'::bytea AS bytes,
  'nan'::float8 AS nan, 'inf'::float8 AS inf, true AS yes, NULL::integer AS nothing,
  170141183460469231731687303715884105727::numeric AS huge, 9223372036854775807 AS big,
  interval '1 year 2 months' AS months, 'infinity'::timestamptz AS forever, '[1,5)'::int4range AS range,
  '10.0.0.1/8'::inet AS net, '{"{1,2}","{3,4}"}'::text[] AS texts, ARRAY['2025-01-31'::date] AS days,
  date '0044-03-15 BC' AS ides, 'Cost €'::varchar(20) AS word;
CREATE SEQUENCE counter;
CREATE TABLE events (id INTEGER, at DATE, what TEXT) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO events SELECT i, date '2024-06-01' + i, 'kind ' || i % 3 FROM generate_series(1, 300) AS i;
CREATE MATERIALIZED VIEW totals AS SELECT status, sum(total) AS total FROM orders GROUP BY status;
CREATE TABLE secret (word TEXT);
INSERT INTO secret VALUES ('hidden');
CREATE FUNCTION sell() RETURNS integer LANGUAGE sql VOLATILE SECURITY DEFINER
  AS 'UPDATE products SET stock = 0 RETURNING 1';
CREATE FUNCTION doubled(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
SELECT lo_create(4711);
"""
_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
    CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}';
  END IF;
END $$;
GRANT USAGE ON SCHEMA archive, "Odd Schema" TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA public, archive, "Odd Schema" TO {READER};
REVOKE ALL ON secret FROM {READER};
"""
