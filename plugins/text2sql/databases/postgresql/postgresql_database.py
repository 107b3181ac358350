"""A database of a PostgreSQL server as one of the workflow."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from sqlglot.errors import SqlglotError

from plugins.text2sql.databases.database import Limits, Rows, StatementError
from plugins.text2sql.databases.postgresql.postgresql_bounds import bounded
from plugins.text2sql.databases.postgresql.postgresql_catalog import (
    PostgresqlTable,
    listed_tables,
    role_warnings,
    schema_identity,
)
from plugins.text2sql.databases.postgresql.postgresql_connections import Connection, PostgresqlConnections
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.postgresql.postgresql_errors import explained, line_of
from plugins.text2sql.databases.postgresql.postgresql_functions import first_of, volatile_functions
from plugins.text2sql.databases.postgresql.postgresql_statistics import (
    Statistics,
    all_statistics,
    sampled,
    tells_too_little,
)
from plugins.text2sql.databases.postgresql.postgresql_values import PostgresqlColumnReader, TableStatistics
from plugins.text2sql.databases.relational.batches import rows_in_batches
from plugins.text2sql.databases.relational.column_facts import Sampled
from plugins.text2sql.databases.relational.database_url import database_url
from plugins.text2sql.databases.relational.server_database import Look, ServerDatabase

_CHANGES = """
SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(' ', relid, last_analyze, last_autoanalyze,
    floor(ln(n_mod_since_analyze + 1))), ',' ORDER BY relid))
FROM pg_catalog.pg_stat_user_tables
"""


class PostgresqlDatabase(ServerDatabase[Connection, PostgresqlTable]):
    """``postgresql://user:${VARIABLE}@host:port/database``; libpq's parameters may follow a ``?``.

    Tables of other schemas than ``public`` are known as ``schema.table``.
    """

    dialect = POSTGRESQL

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        url = database_url(address)
        super().__init__(url, limits, PostgresqlConnections(url, connections, limits.seconds))
        self._volatile: frozenset[str] | None = None
        self._statistics = TableStatistics()

    @staticmethod
    def resolve(address: str) -> str:
        """Return the address as it is, once its variables are known to be set."""
        database_url(address)
        return address

    def _look(self, connection: Connection) -> Look[PostgresqlTable]:
        """Return the tables with what their statistics tell of them.

        Tables without any must be sampled, and small ones of which they leave out rare values.
        """
        self._volatile = volatile_functions(connection)
        tables, left_out = listed_tables(connection)
        statistics = all_statistics(connection)
        known = ((table, statistics.get((table.schema, table.name))) for table in tables)
        listed = [(table, _told(table, found)) for table, found in known]
        return Look(listed, left_out, role_warnings(connection, tables))

    def _sample(self, connection: Connection, table: PostgresqlTable) -> Sampled:
        found = sampled(connection, table)
        return Sampled(max(0, round(table.rows)) or found.rows, found.facts)

    def _reader(self, connection: Connection, table: str, column: str) -> PostgresqlColumnReader:
        listed = self._tables.get(table)
        # What can't be sampled by itself is read from its beginning.
        rows = self._row_counts[table] if listed is not None and listed.kind in "rpm" else 0
        return PostgresqlColumnReader(connection, self._statistics, table, column, rows)

    def _schema_identity(self, connection: Connection) -> str:
        return schema_identity(connection)

    def _identity(self, connection: Connection) -> str:
        row = connection.execute(_CHANGES).fetchone()
        return str(row[0] if row else "")

    def _answer(self, connection: Connection, statement: str) -> Rows:
        """Read the rows through a cursor of the server."""
        self._check(connection, statement)
        with connection.cursor(name="answer") as cursor:
            cursor.execute(statement)
            columns = cursor.description or []
            within = bounded(statement, columns, self._limits.value_bytes)
            if within.statement != statement:
                cursor.execute(within.statement)
            rows = within.read(rows_in_batches(cursor.fetchmany, within.rows))
            return Rows.within(self._limits, [column.name for column in columns], rows)

    def _check(self, connection: Connection, statement: str) -> None:
        """Refuse functions that may change something, as this server's catalogue has them."""
        if self._volatile is None:
            self._volatile = volatile_functions(connection)
        try:
            name = first_of(self._volatile, statement)
        except (SqlglotError, RecursionError) as error:
            raise StatementError("rejected", "the statement isn't understood") from error
        if name is not None:
            raise StatementError("rejected", f"the function {name} may change something and is not allowed")

    def _line(self, error: Exception) -> str:
        return line_of(error, self._url)

    def _explained(self, error: Exception) -> StatementError:
        return explained(error, self._url)

    def _timed_out(self, error: BaseException | None) -> bool:
        """Whether the statement was cancelled; the server says so of an interrupt, too."""
        return isinstance(error, psycopg.errors.QueryCanceled)


def _told(table: PostgresqlTable, known: Mapping[str, Statistics] | None) -> Sampled | None:
    """Return what the statistics tell of a table; ``None`` if it is better sampled."""
    if known is None or tells_too_little(known, table):
        return None
    facts = {
        column.name: known[column.name].facts(column.kind, table.rows)
        for column in table.columns
        if column.name in known
    }
    return Sampled(max(0, round(table.rows)), facts)
