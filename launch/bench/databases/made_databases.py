"""Databases that a measurement reads: many tables with foreign keys, or one with many rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import duckdb

from launch.bench.databases.local_server import LocalServer, running
from launch.bench.databases.mariadb_server import MariadbServer
from launch.bench.databases.postgresql_server import PostgresqlServer

_WIDE = (
    ("name", "VARCHAR(40)", "'Name ' || i"),
    ("email", "VARCHAR(60)", "'person' || i || '@example.com'"),
    ("code", "VARCHAR(20)", "'Code ' || (i % 50)"),
    ("status", "VARCHAR(20)", "'Status ' || (i % 3)"),
    ("city", "VARCHAR(40)", "'City ' || (i % 20)"),
    ("colour", "VARCHAR(20)", "'Colour ' || (i % 12)"),
    ("note", "VARCHAR(200)", "'A longer remark about the number ' || i || ' and what it is good for'"),
    *((f"number_{n}", "INTEGER", f"i % {10 * n + 7}") for n in range(5)),
    *((f"amount_{n}", "DECIMAL(12, 2)", f"i * 1.25 + {n}") for n in range(4)),
    *((f"day_{n}", "DATE", "{day}") for n in range(3)),
)
_LONG = (
    ("name", "VARCHAR(40)", "'Name ' || i"),
    ("code", "VARCHAR(20)", "'Code ' || (i % 5000)"),
    ("city", "VARCHAR(40)", "'City ' || (i % 200)"),
    ("status", "VARCHAR(20)", "'Status ' || (i % 3)"),
    ("quantity", "INTEGER", "i % 97"),
    ("price", "DECIMAL(12, 2)", "(i % 1000) * 1.25"),
    ("day", "DATE", "{day}"),
)
"""Columns beside the keys: name, type, and value in row i."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine of databases.  ``numbers`` are the rows i = 1 … n, ``day`` a date of one.

    ``session`` stands before everything, and ``analyse`` after it, which makes statistics.
    """

    name: str
    numbers: str
    day: str
    session: str = ""
    analyse: str = ""
    server: type[LocalServer] | None = None

    def wide(self, tables: int, rows: int) -> str:
        """Return the statements that make ``tables`` with 21 columns; each refers to the one before it."""
        return self.session + "".join(self._wide(number, rows) for number in range(tables))

    def long(self, rows: int) -> str:
        """Return the statements that make one table with ``rows`` and 8 columns."""
        return self.session + self._table("sales", (), _LONG, rows)

    def _wide(self, number: int, rows: int) -> str:
        refers = f", FOREIGN KEY (parent_id) REFERENCES table_{number - 1} (id)" if number else ""
        key = ("parent_id", f"INTEGER{refers}", "i")
        return self._table(f"table_{number}", (key,), _WIDE, rows)

    def _table(
        self,
        name: str,
        keys: tuple[tuple[str, str, str], ...],
        columns: tuple[tuple[str, str, str], ...],
        rows: int,
    ) -> str:
        every = (("id", "INTEGER PRIMARY KEY", "i"), *columns, *keys)
        defined = ", ".join(f"{column} {type_}" for column, type_, _ in every)
        values = ", ".join(value.format(day=self.day) for *_, value in every)
        made = f"CREATE TABLE {name} ({defined});\n"
        return f"{made}INSERT INTO {name} SELECT {values} FROM {self.numbers.format(n=rows)};\n"


_ISO = "date('2020-01-01', (i % 1000) || ' days')"
_SERIES = "WITH RECURSIVE g (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < {n}) SELECT i FROM g"
_ADDED = "DATE '2020-01-01' + CAST(i % 1000 AS INTEGER)"
_POSTGRESQL = "generate_series(1, {n}) AS g (i)"
ENGINES = {
    "sqlite": Engine("SQLite", f"({_SERIES}) AS numbers", _ISO),
    "duckdb": Engine("DuckDB", "range(1, {n} + 1) AS g (i)", _ADDED),
    "postgresql": Engine("PostgreSQL", _POSTGRESQL, _ADDED, analyse="ANALYZE", server=PostgresqlServer),
    "postgresql-new": Engine("PostgreSQL, new", _POSTGRESQL, _ADDED, server=PostgresqlServer),
    "mariadb": Engine(
        "MariaDB",
        "(SELECT seq AS i FROM seq_1_to_{n}) AS g",
        "DATE '2020-01-01' + INTERVAL (i % 1000) DAY",
        session="SET sql_mode = 'PIPES_AS_CONCAT';\n",
        server=MariadbServer,
    ),
}


@dataclass(frozen=True, slots=True)
class MadeDatabase:
    """A database at ``address``; ``server`` is the process that it runs in, if not the reader's own."""

    address: str
    server: int | None = None


@contextmanager
def started(engine: Engine) -> Iterator[LocalServer | None]:
    """Start the engine's server, if it has one.

    Raises:
        ServerFailedError: it can't be started.
    """
    with running(engine.server) if engine.server else nullcontext() as server:
        yield server


@contextmanager
def made(engine: Engine, server: LocalServer | None, statements: str, folder: Path) -> Iterator[MadeDatabase]:
    """Make a database in ``folder`` or in the running ``server``, and remove it on leaving."""
    if server is not None:
        server.create("measured")
        server.script(statements + engine.analyse, "measured")
        try:
            yield MadeDatabase(server.address("measured"), server.pid)
        finally:
            server.drop("measured")
        return
    file = folder / "measured"
    if engine is ENGINES["sqlite"]:
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(f"BEGIN;\n{statements}COMMIT;")
    else:
        with closing(duckdb.connect(str(file))) as connection:
            connection.execute(statements)
    try:
        yield MadeDatabase(f"{'sqlite' if engine is ENGINES['sqlite'] else 'duckdb'}:///{file}")
    finally:
        file.unlink()
