"""The values of columns in PostgreSQL: from the statistics, from sampled rows, or looked up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plugins.text2sql.databases.database import ColumnValues, ValueSpan
from plugins.text2sql.databases.postgresql.postgresql_connections import Connection
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.postgresql.postgresql_statistics import Statistics, table_statistics
from plugins.text2sql.databases.relational.column_reader import ColumnReader
from plugins.text2sql.databases.relational.interrupting import expired

_SAMPLED_ROWS = 200_000
"""Of a larger table without statistics that list all its values, the values of so many rows are read."""
_FRESH_SECONDS = 10.0


class TableStatistics:
    """The statistics of the table that was asked for last: an index asks for all columns of one in turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: str | None = None
        self._stale: Callable[[], bool] = expired(0.0)
        self._found: Mapping[str, Statistics] = {}

    def of(self, connection: Connection, table: str, column: str) -> Statistics | None:
        """Return the statistics of a column, at most 10 s old, if it has any.

        Raises:
            psycopg.Error: they can't be read.
        """
        with self._lock:
            if table != self._table or self._stale():
                schema, dot, name = table.partition(".")
                parts = (schema, name) if dot else (POSTGRESQL.default_schema, table)
                self._found = table_statistics(connection, *parts)
                self._table, self._stale = table, expired(_FRESH_SECONDS)
            return self._found.get(column)


class PostgresqlColumnReader(ColumnReader):
    """Reads a column of a table of about ``rows`` rows, by their known names."""

    def __init__(
        self, connection: Connection, statistics: TableStatistics, table: str, column: str, rows: int
    ) -> None:
        text = f"{POSTGRESQL.identifier(column)}::text"
        super().__init__(POSTGRESQL.table(table), text, text, "length")
        self._connection = connection
        self._statistics = statistics
        self._known_as = table
        self._column = column
        self._rows = rows

    def distinct(self, span: ValueSpan, at_most: int) -> ColumnValues:
        """Return the values that the statistics have, and of a column with few others the rows'.

        Those of all rows, or of sampled ones.
        """
        known = self._statistics.of(self._connection, self._known_as, self._column)
        fitting: list[str] = []
        if known is not None:
            texts = (*known.common, *known.spread)
            fitting = [text for text in texts if span.shortest <= len(text) <= span.longest]
            if known.complete:
                return ColumnValues(fitting[:at_most])
            if known.estimate(self._rows) > at_most:
                return ColumnValues(fitting[:at_most], more=True)
        in_part = self._rows > min(span.rows, _SAMPLED_ROWS)
        percent = 100 * _SAMPLED_ROWS / self._rows if in_part else 0
        share = f"TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (0)" if in_part else ""
        values = self.rows(
            f"SELECT DISTINCT v FROM (SELECT {self.text} AS v FROM {self.table} {share} LIMIT {span.rows}) "
            f"AS s WHERE length(v) BETWEEN {span.shortest} AND {span.longest} LIMIT {at_most}"
        )
        found = dict.fromkeys((*fitting, *(value for (value,) in values)))
        return ColumnValues(sorted(found)[:at_most], in_part=in_part)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Return the rows of ``statement``."""
        return self._connection.execute(statement.encode(), parameters or None).fetchall()
