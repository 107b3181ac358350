"""What tests of all kinds with a server need to know of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from launch.bench.databases.local_server import LocalServer
from launch.database_kinds import kind_of
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import Table


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A kind with its running server.

    ``words`` selects a thousand texts ``a``, and ``slow`` a text ``word`` that never comes.  ``refusals`` are
    what the server says to a wrong password, and of the database ``nowhere``.  ``made`` is a table t with the
    columns a and m, ``data`` a row of it, and ``changes`` leave it with the name ``things`` and a column b.
    ``analyse`` renews the statistics of t.  ``impatient`` lets what waits for a lock fail.  ``limit`` selects
    the session's time limit, which for 20 s and 7 s is that of ``limits``.
    """

    name: str
    server: LocalServer
    words: str
    slow: str
    refusals: tuple[str, str]
    made: str
    data: str
    changes: Sequence[str]
    analyse: str
    impatient: str
    limit: str
    limits: tuple[object, object]


def of_postgresql(server: LocalServer) -> ServerKind:
    return ServerKind(
        name="postgresql",
        server=server,
        words="SELECT 'x' || i AS a FROM generate_series(1, 1000) AS i",
        slow="SELECT 'a' || pg_sleep(1000)::text AS word",
        refusals=("password authentication failed", 'database "nowhere" does not exist'),
        made="CREATE TYPE mood AS ENUM ('calm'); CREATE TABLE t (a text, m mood)",
        data="INSERT INTO t VALUES ('x', 'calm')",
        changes=(
            "ALTER TABLE t ADD COLUMN b integer",
            "COMMENT ON TABLE t IS 'things'",
            "ALTER TYPE mood ADD VALUE 'cross'",
            "CREATE TABLE u (c text)",
            "ALTER TABLE t RENAME TO things",
            "DROP TABLE u",
        ),
        analyse="ANALYZE t",
        impatient="SET lock_timeout = '1s'",
        limit="SELECT current_setting('statement_timeout')",
        limits=("20s", "7s"),
    )


def of_mariadb(server: LocalServer) -> ServerKind:
    return ServerKind(
        name="mariadb",
        server=server,
        words="SELECT CONCAT('x', seq) AS a FROM seq_1_to_1000",
        slow="SELECT CONCAT('a', SLEEP(1000)) AS word FROM seq_1_to_10",
        refusals=("Access denied for user", "Access denied for user .* to database"),
        made="CREATE TABLE t (a VARCHAR(20), m ENUM('calm'))",
        data="INSERT INTO t VALUES ('x', 'calm')",
        changes=(
            "ALTER TABLE t ADD COLUMN b INTEGER",
            "ALTER TABLE t COMMENT = 'things'",
            "ALTER TABLE t MODIFY m ENUM('calm', 'cross')",
            "CREATE TABLE u (c TEXT)",
            "RENAME TABLE t TO things",
            "DROP TABLE u",
        ),
        analyse="ANALYZE TABLE t",
        impatient="SET lock_wait_timeout = 1",
        limit="SELECT @@max_statement_time",
        limits=(20.0, 7.0),
    )


@contextmanager
def scratch(
    server: LocalServer, name: str, statements: str, database: str = "scratch", **limits: Any
) -> Iterator[DatabaseRegistry]:
    """Open a database of its own, made by ``statements``, as its owner; ``name`` is its kind and its name."""
    server.create("scratch")
    try:
        server.script(statements, "scratch")
        with closing(DatabaseRegistry(**limits)) as registry:
            address = server.address(database)
            registry.register(name, kind_of(name, address), address)
            yield registry
    finally:
        server.drop("scratch")


def tables_of(registry: DatabaseRegistry, name: str) -> dict[str, Table]:
    return {table.name: table for table in registry.schema(name).tables}
