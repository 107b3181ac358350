"""A database of a MySQL or MariaDB server as one of the workflow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pymysql
from sqlalchemy.exc import SQLAlchemyError

from plugins.text2sql.databases.address import scheme
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
from plugins.text2sql.databases.mysql.mysql_catalog import Catalog, MysqlTable, column_ends
from plugins.text2sql.databases.mysql.mysql_check import check
from plugins.text2sql.databases.mysql.mysql_connections import (
    Connection,
    answer,
    open_pool,
    rows,
    time_limited,
    transaction,
)
from plugins.text2sql.databases.mysql.mysql_dialect import MARIADB, MYSQL
from plugins.text2sql.databases.mysql.mysql_errors import INVALID_VIEW, TIMEOUTS, code_of, explained, line_of
from plugins.text2sql.databases.mysql.mysql_grants import excessive
from plugins.text2sql.databases.mysql.mysql_sampling import sampled
from plugins.text2sql.databases.mysql.mysql_url import mysql_url
from plugins.text2sql.databases.mysql.mysql_values import ColumnReader
from plugins.text2sql.databases.relational.column_facts import NO_FACTS, Sampled, one_line
from plugins.text2sql.databases.relational.interrupting import expired, watched
from plugins.text2sql.databases.schema import DatabaseSchema, Table
from sched.errors import UnavailableError

logger = logging.getLogger(__name__)

_SAMPLE_SECONDS = 1.0
_LOOK_SECONDS = 20.0
_SAMPLING_SECONDS = 60.0
"""Tables that have not been sampled after so long are shown without samples."""
_NOT_SAMPLED = Sampled(0, {})


class MysqlDatabase(Database):
    """``mysql://user:${VARIABLE}@host:port/database``, or ``mariadb://…``; TLS options may follow a ``?``.

    Without a database in the address, the tables of all that the user may read are known as
    ``database.table``.  Nothing is connected before it is needed, so a server that is down when this one
    starts is found later.
    """

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        self._limits = limits
        self._url = mysql_url(address)
        vendor = MARIADB if (scheme(address) or "").startswith("mariadb") else MYSQL
        self.dialect = dialect = replace(vendor, default_schema=self._url.database or "")
        self._catalog = Catalog(dialect)
        self._pool = open_pool(self._url, connections, limits)
        self._warnings: tuple[str, ...] = ()
        self._tables: Mapping[str, MysqlTable] = {}

    @staticmethod
    def resolve(address: str) -> str:
        """Return the address as it is, once its variables are known to be set and its options to be right."""
        mysql_url(address)
        return address

    def introspect(self) -> DatabaseSchema:
        """Read the schema from the information schema; of each table the first rows."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            tables = self._catalog.tables(connection)
            ends = column_ends(connection)
            self._warnings = excessive(grant for (grant,) in rows(connection, "SHOW GRANTS"))
        samples = self._samples(tables, ends)
        self._tables = {table.known_as: table for table in tables if table.known_as in samples}
        shown = [_shown(table, samples[name]) for name, table in self._tables.items()]
        return DatabaseSchema(tuple(sorted(shown, key=lambda table: table.name)), self.dialect)

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return different values; a column with very many is known by its first rows, or its index.

        Of a column that takes longer than a statement may, there are none.
        """
        listed = self._tables.get(table)
        indexed = listed is not None and column in listed.indexed
        view = listed is None or listed.view
        try:
            with self._reading(stopped) as connection:
                reader = ColumnReader(connection, self.dialect, table, column)
                return reader.distinct(span, at_most, indexed, view)
        except UnavailableError as error:
            if error.__cause__ and code_of(error.__cause__) in TIMEOUTS:
                return ColumnValues((), in_part=True)
            raise

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that are one of ``texts``; an index is used."""
        with self._reading(stopped) as connection:
            return ColumnReader(connection, self.dialect, table, column).equal(texts, at_most)

    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first."""
        with self._reading(stopped) as connection:
            return ColumnReader(connection, self.dialect, table, column).beginning(texts, at_most)

    def warnings(self) -> tuple[str, ...]:
        """Return what the user may do that reading doesn't need."""
        return self._warnings

    def schema_identity(self) -> str:
        """Return a hash of the catalogue."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            return self._catalog.schema_identity(connection)

    def identity(self) -> str:
        """Return on which day tables were written last, and roughly how many rows they have."""
        with self._reading(expired(_LOOK_SECONDS)) as connection:
            return self._catalog.identity(connection)

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT in a transaction that can only read; rows are read one by one."""
        self._check(statement)
        try:
            with (
                transaction(self._pool, self._url) as (connection, interrupter),
                interruptible(interrupter),
            ):
                return answer(connection, statement, self._limits)
        except (pymysql.MySQLError, SQLAlchemyError) as error:
            raise explained(error, self._url, self.dialect) from error
        except UnicodeError as error:
            raise StatementError("invalid", str(error)) from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.dispose()

    def _check(self, statement: str) -> None:
        """Refuse what of MySQL's SQL may do more than read."""
        check(statement, self.dialect)

    def _samples(
        self, tables: Sequence[MysqlTable], ends: Mapping[tuple[str, str, str], tuple[str, str]]
    ) -> dict[str, Sampled]:
        """Return samples by the known name of tables; one that takes more than a second has none.

        Views that are broken are left out, and the log names them.

        Raises:
            UnavailableError: the server can't be reached.
        """
        found: dict[str, Sampled] = {}
        late = expired(_SAMPLING_SECONDS)
        with self._reading(late) as connection, time_limited(connection, _SAMPLE_SECONDS, self._limits):
            for table in tables:
                try:
                    found[table.known_as] = _NOT_SAMPLED if late() else sampled(connection, table, ends)
                    # Until its transaction ends, nobody could alter the table.
                    connection.rollback()
                except pymysql.MySQLError as error:
                    line = line_of(error, self._url)
                    if code_of(error) == INVALID_VIEW:
                        logger.warning("%r is left out of its database's schema: %s", table.known_as, line)
                        continue
                    if not connection.open:
                        raise
                    logger.info("%s has no samples: %s", table.known_as, line)
                    found[table.known_as] = _NOT_SAMPLED
        return found

    @contextmanager
    def _reading(self, stopped: Callable[[], bool]) -> Iterator[Connection]:
        """Open a transaction for what is no statement of a model."""
        try:
            with (
                transaction(self._pool, self._url) as (connection, interrupter),
                watched(stopped, interrupter),
            ):
                yield connection
        except (pymysql.MySQLError, SQLAlchemyError) as error:
            raise UnavailableError(line_of(error, self._url)) from error


def _shown(table: MysqlTable, sample: Sampled) -> Table:
    """Return a table of the schema, with what its sample tells."""
    return Table(
        table.known_as,
        tuple(column.with_facts(sample.facts.get(column.name, NO_FACTS)) for column in table.columns),
        table.keys,
        0 if table.view else sample.rows or table.rows,
        table.view,
        one_line(table.comment, MAX_TABLE_CHARACTERS),
    )
