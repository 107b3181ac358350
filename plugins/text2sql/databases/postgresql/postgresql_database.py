"""A database of a PostgreSQL server as one of the workflow."""

from __future__ import annotations

import time
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
    column_statistics,
    sampled,
)
from plugins.text2sql.databases.relational.column_facts import NO_FACTS, Facts, one_line
from plugins.text2sql.databases.relational.database_url import database_url
from plugins.text2sql.databases.relational.interrupting import expired, watched
from plugins.text2sql.databases.schema import DatabaseSchema, Table
from sched.errors import UnavailableError

_BATCH = 100
_SAMPLED_ROWS = 200_000
"""Of a larger table without statistics that list all its values, the values of so many rows are read."""
_VIEW_MILLISECONDS = 1_000
_LOOK_SECONDS = 20.0
_SAMPLING_SECONDS = 15.0
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

    @staticmethod
    def resolve(address: str) -> str:
        """Return the address as it is, once its variables are known to be set."""
        database_url(address)
        return address

    def introspect(self) -> DatabaseSchema:
        """Read the schema from the catalogue and the statistics; tables without any are sampled."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            self._volatile = volatile_functions(connection)
            tables = listed_tables(connection)
            self._warnings = role_warnings(connection, tables)
            statistics = all_statistics(connection)
        until = time.monotonic() + _SAMPLING_SECONDS
        shown = [
            self._table(table, statistics.get((table.schema, table.name), {}), until)
            for table in tables
            if table.columns
        ]
        # What can't be sampled by itself is read from its beginning.
        plain = {table.known_as for table in tables if table.kind in "rpm"}
        self._rows = {table.name: table.row_count for table in shown if table.name in plain}
        return DatabaseSchema(tuple(sorted(shown, key=lambda table: table.name)), POSTGRESQL)

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return different values: the most common ones of the statistics, and those of sampled rows."""
        schema, name = _parts(table)
        with self._reading(stopped) as connection:
            rows = self._rows.get(table, 0)
            known = column_statistics(connection, schema, name, column)
            fitting: list[str] = []
            if known is not None:
                fitting = [
                    text
                    for text in (*known.common, *known.spread)
                    if span.shortest <= len(text) <= span.longest
                ]
                if known.complete:
                    return ColumnValues(fitting[:at_most])
                if known.estimate(rows) > at_most:
                    return ColumnValues(fitting[:at_most], more=True)
            in_part = rows > min(span.rows, _SAMPLED_ROWS)
            share = f"TABLESAMPLE SYSTEM ({100 * _SAMPLED_ROWS / rows:.6f}) REPEATABLE (0)" if in_part else ""
            word = POSTGRESQL.identifier(column)
            values = connection.execute(
                f"SELECT DISTINCT v FROM (SELECT {word}::text AS v FROM {POSTGRESQL.table(table)} {share} "
                f"LIMIT {span.rows}) AS s WHERE length(v) BETWEEN {span.shortest} AND {span.longest} "
                f"LIMIT {at_most}"
            )
            texts = dict.fromkeys((*fitting, *(value for (value,) in values)))
            return ColumnValues(sorted(texts)[:at_most], in_part=in_part)

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that are one of ``texts``; an index is used."""
        condition = f"{POSTGRESQL.identifier(column)}::text = ANY(%s)"
        return self._matching(table, column, condition, texts, f"ORDER BY v LIMIT {at_most}", stopped)

    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first.

        First in the cases that are usual in names, for which an index on patterns serves; where there are
        none, all rows are read.
        """
        order = f"ORDER BY length(v), v LIMIT {at_most}"
        word = f"{POSTGRESQL.identifier(column)}::text"
        usual = dict.fromkeys(case for text in texts for case in (text, text.capitalize(), text.title()))
        found = self._matching(
            table, column, f"{word} LIKE ANY(%s)", list(map(_pattern, usual)), order, stopped
        )
        if found:
            return found
        return self._matching(
            table, column, f"{word} ILIKE ANY(%s)", list(map(_pattern, texts)), order, stopped
        )

    def warnings(self) -> tuple[str, ...]:
        """Return what the role may do that reading doesn't need."""
        return self._warnings

    def schema_identity(self) -> str:
        """Return a hash of the catalogue."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            return schema_identity(connection)

    def identity(self) -> str:
        """Return when tables were last analysed, and roughly how many of their rows have changed since."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            row = connection.execute(_CHANGES).fetchone()
            return str(row[0] if row else "")

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT through a cursor of the server, in a transaction that can only read."""
        try:
            with transaction(self._engine) as (connection, interrupter), interruptible(interrupter):
                self._check(connection, statement)
                with connection.cursor(name="answer") as cursor:
                    cursor.execute(statement)
                    columns = [column.name for column in cursor.description or ()]
                    return Rows.within(self._limits, columns, _rows(cursor))
        except (psycopg.Error, SQLAlchemyError) as error:
            raise explained(error, self._url) from error
        except UnicodeError as error:
            raise StatementError("invalid", str(error)) from error

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

    def _table(self, table: ListedTable, known: Mapping[str, Statistics], until: float) -> Table:
        rows = max(0, round(table.rows))
        facts: dict[str, Facts] = {}
        if known:
            facts = {
                column.name: known[column.name].facts(column.kind)
                for column in table.columns
                if column.name in known
            }
        elif time.monotonic() < until:
            sampled_rows, facts = self._sampled(table)
            rows = rows or sampled_rows
        view = table.kind == "v"
        return Table(
            table.known_as,
            tuple(column.with_facts(facts.get(column.name, NO_FACTS)) for column in table.columns),
            table.keys,
            0 if view else rows,
            view,
            one_line(table.comment, MAX_TABLE_CHARACTERS),
        )

    def _sampled(self, table: ListedTable) -> tuple[int, dict[str, Facts]]:
        """Sample a table for at most a second; one that can't be read by itself has no samples."""
        try:
            with (
                transaction(self._engine) as (connection, interrupter),
                watched(expired(_LOOK_SECONDS), interrupter),
            ):
                connection.execute(f"SET LOCAL statement_timeout = {_VIEW_MILLISECONDS}")
                return sampled(connection, table)
        except psycopg.Error as error:
            failure = explained(error, self._url)
            if failure.kind == "unavailable" and getattr(error, "sqlstate", None) is None:
                raise UnavailableError(str(failure)) from error
            return 0, {}

    def _matching(
        self,
        table: str,
        column: str,
        condition: str,
        texts: Sequence[str],
        order: str,
        stopped: Callable[[], bool],
    ) -> Sequence[str]:
        statement = (
            f"SELECT v FROM (SELECT DISTINCT {POSTGRESQL.identifier(column)}::text AS v "
            f"FROM {POSTGRESQL.table(table)} WHERE {condition}) AS s {order}"
        )
        with self._reading(stopped) as connection:
            return [value for (value,) in connection.execute(statement, (list(texts),))]

    @contextmanager
    def _reading(self, stopped: Callable[[], bool]) -> Iterator[psycopg.Connection[Any]]:
        """Open a transaction for what is no statement of a model."""
        try:
            with transaction(self._engine) as (connection, interrupter), watched(stopped, interrupter):
                yield connection
        except (psycopg.Error, SQLAlchemyError) as error:
            raise UnavailableError(line_of(error, self._url)) from error


def _rows(cursor: psycopg.ServerCursor[Any]) -> Iterator[Sequence[Any]]:
    """Yield the rows as they come from the server."""
    while rows := cursor.fetchmany(_BATCH):
        yield from rows


def _parts(table: str) -> tuple[str, str]:
    """Return the schema and the name of a table of the schema."""
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else (POSTGRESQL.default_schema, table)


def _pattern(text: str) -> str:
    """Return a pattern of LIKE for what begins with ``text``."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
