"""A database of a PostgreSQL server as one of the workflow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlglot.errors import SqlglotError

from plugins.text2sql.databases.database import (
    ColumnValues,
    Database,
    Interruptible,
    Limits,
    Rows,
    StatementError,
    ValueSpan,
)
from plugins.text2sql.databases.descriptions import MAX_TABLE_CHARACTERS
from plugins.text2sql.databases.postgresql.postgresql_bounds import bounded
from plugins.text2sql.databases.postgresql.postgresql_catalog import (
    ListedTable,
    listed_tables,
    role_warnings,
    schema_identity,
)
from plugins.text2sql.databases.postgresql.postgresql_connections import open_engine, transaction
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.postgresql.postgresql_errors import explained, line_of
from plugins.text2sql.databases.postgresql.postgresql_functions import first_of, volatile_functions
from plugins.text2sql.databases.postgresql.postgresql_statistics import (
    Statistics,
    all_statistics,
    sampled,
    tells_too_little,
)
from plugins.text2sql.databases.postgresql.postgresql_values import (
    TableStatistics,
    beginning_values,
    distinct_values,
    equal_values,
)
from plugins.text2sql.databases.relational.batches import rows_in_batches
from plugins.text2sql.databases.relational.column_facts import NO_FACTS, Sampled, one_line
from plugins.text2sql.databases.relational.database_url import database_url
from plugins.text2sql.databases.relational.interrupting import expired, watched
from plugins.text2sql.databases.schema import DatabaseSchema, Table
from sched.errors import UnavailableError

logger = logging.getLogger(__name__)

_SAMPLE_MILLISECONDS = 1_000
_LOOK_SECONDS = 20.0
"""A look at the catalogue takes this long at most, however short the time of statements is."""
_SAMPLING_SECONDS = 60.0
"""Tables that have not been sampled after so long are shown without samples."""
_CHANGES = """
SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(' ', relid, last_analyze, last_autoanalyze,
    floor(ln(n_mod_since_analyze + 1))), ',' ORDER BY relid))
FROM pg_catalog.pg_stat_user_tables
"""


class PostgresqlDatabase(Database):
    """``postgresql://user:${VARIABLE}@host:port/database``; libpq's parameters may follow a ``?``.

    Tables of other schemas than ``public`` are known as ``schema.table``.  Nothing is connected before it
    is needed, so a server that is down when this one starts is found later.
    """

    dialect = POSTGRESQL

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        self._limits = limits
        self._url = database_url(address)
        self._engine = open_engine(self._url, connections, limits.seconds)
        self._volatile: frozenset[str] | None = None
        self._warnings: tuple[str, ...] = ()
        self._rows: Mapping[str, int] = {}
        self._statistics = TableStatistics()

    @staticmethod
    def resolve(address: str) -> str:
        """Return the address as it is, once its variables are known to be set."""
        database_url(address)
        return address

    def introspect(self) -> DatabaseSchema:
        """Read the schema from the catalogue and the statistics.

        Tables without any are sampled, and small ones of which they leave out rare values.
        """
        with self._catalogue() as connection:
            self._volatile = volatile_functions(connection)
            tables = listed_tables(connection)
            self._warnings = role_warnings(connection, tables)
            statistics = all_statistics(connection)
        tables = [table for table in tables if table.columns]
        samples = self._samples(
            [table for table in tables if tells_too_little(statistics.get((table.schema, table.name)), table)]
        )
        shown = [
            _shown(table, statistics.get((table.schema, table.name), {}), samples.get(table.known_as))
            for table in tables
        ]
        # What can't be sampled by itself is read from its beginning.
        plain = {table.known_as for table in tables if table.kind in "rpm"}
        self._rows = {table.name: table.row_count for table in shown if table.name in plain}
        return DatabaseSchema(tuple(sorted(shown, key=lambda table: table.name)), POSTGRESQL)

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return different values: the most common ones of the statistics, and those of sampled rows.

        Of a column that takes longer than a statement may, there are none.
        """
        try:
            with self._reading(stopped) as connection:
                known = self._statistics.of(connection, table, column)
                rows = self._rows.get(table, 0)
                return distinct_values(connection, known, (table, column), span, at_most, rows)
        except UnavailableError as error:
            if isinstance(error.__cause__, psycopg.errors.QueryCanceled) and not stopped():
                return ColumnValues((), in_part=True)
            raise

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that are one of ``texts``; an index is used."""
        with self._reading(stopped) as connection:
            return equal_values(connection, table, column, texts, at_most)

    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first."""
        with self._reading(stopped) as connection:
            return beginning_values(connection, table, column, texts, at_most)

    def warnings(self) -> tuple[str, ...]:
        """Return what the role may do that reading doesn't need."""
        return self._warnings

    def schema_identity(self) -> str:
        """Return a hash of the catalogue."""
        with self._catalogue() as connection:
            return schema_identity(connection)

    def identity(self) -> str:
        """Return when tables were last analysed, and roughly how many of their rows have changed since."""
        with self._catalogue() as connection:
            row = connection.execute(_CHANGES).fetchone()
            return str(row[0] if row else "")

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT through a cursor of the server, in a transaction that can only read."""
        try:
            with transaction(self._engine) as (connection, interrupter), interruptible(interrupter):
                self._check(connection, statement)
                with connection.cursor(name="answer") as cursor:
                    cursor.execute(statement)
                    columns = cursor.description or []
                    within = bounded(statement, columns, self._limits.value_bytes)
                    if within.statement != statement:
                        cursor.execute(within.statement)
                    rows = within.read(rows_in_batches(cursor.fetchmany, within.rows))
                    return Rows.within(self._limits, [column.name for column in columns], rows)
        except (psycopg.Error, SQLAlchemyError) as error:
            raise explained(error, self._url) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _check(self, connection: psycopg.Connection[Any], statement: str) -> None:
        """Refuse functions that may change something, as this server's catalogue has them."""
        if self._volatile is None:
            self._volatile = volatile_functions(connection)
        try:
            name = first_of(self._volatile, statement)
        except (SqlglotError, RecursionError) as error:
            raise StatementError("rejected", "the statement isn't understood") from error
        if name is not None:
            raise StatementError("rejected", f"the function {name} may change something and is not allowed")

    def _samples(self, tables: Sequence[ListedTable]) -> dict[str, Sampled]:
        """Return samples of ``tables``; one that takes more than a second, or can't be read, has none.

        Raises:
            UnavailableError: the server can't be reached.
        """
        found: dict[str, Sampled] = {}
        late = expired(_SAMPLING_SECONDS)
        waiting = list(reversed(tables))
        while waiting and not late():
            with self._reading(late) as connection:
                connection.execute(f"SET LOCAL statement_timeout = {_SAMPLE_MILLISECONDS}")
                try:
                    while waiting and not late():
                        table = waiting.pop()
                        found[table.known_as] = sampled(connection, table)
                except psycopg.Error as error:  # the next one needs a transaction that hasn't failed
                    if connection.closed:
                        raise
                    logger.info("%s has no samples: %s", table.known_as, line_of(error, self._url))
        return found

    @contextmanager
    def _catalogue(self) -> Iterator[psycopg.Connection[Any]]:
        """Open a transaction for a look at the catalogue."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            connection.execute(f"SET LOCAL statement_timeout = {round(_LOOK_SECONDS * 1000)}")
            yield connection

    @contextmanager
    def _reading(self, stopped: Callable[[], bool]) -> Iterator[psycopg.Connection[Any]]:
        """Open a transaction for what is no statement of a model."""
        try:
            with transaction(self._engine) as (connection, interrupter), watched(stopped, interrupter):
                yield connection
        except (psycopg.Error, SQLAlchemyError) as error:
            raise UnavailableError(line_of(error, self._url)) from error


def _shown(table: ListedTable, known: Mapping[str, Statistics], sample: Sampled | None) -> Table:
    """Return a table of the schema, from its sample or else its statistics."""
    rows, facts = sample or Sampled(0, {})
    if sample is None:
        facts = {
            column.name: known[column.name].facts(column.kind, table.rows)
            for column in table.columns
            if column.name in known
        }
    view = table.kind == "v"
    return Table(
        table.known_as,
        tuple(column.with_facts(facts.get(column.name, NO_FACTS)) for column in table.columns),
        table.keys,
        0 if view else max(0, round(table.rows)) or rows,
        view,
        one_line(table.comment, MAX_TABLE_CHARACTERS),
    )
