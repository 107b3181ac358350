"""The values of columns in MySQL and MariaDB: read within limits, or looked up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from plugins.text2sql.databases.database import ColumnValues, ValueSpan
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.mysql.mysql_catalog import MysqlTable
from plugins.text2sql.databases.mysql.mysql_connections import Connection, rows
from plugins.text2sql.databases.mysql.mysql_sampling import first_rows, letter_by_letter
from plugins.text2sql.databases.relational.column_reader import ColumnReader

_LOOKED_AT = 100_000
"""Of a column with more different values in so many rows than are wanted, no more is read."""
_READ_ROWS = 1_000_000
"""Of a table with more rows than are wanted, so many are read: the server copies them first."""


class MysqlColumnReader(ColumnReader):
    """Reads a column of ``table``, by their known names; ``listed`` is what the schema was read from."""

    def __init__(
        self, connection: Connection, dialect: Dialect, table: str, column: str, listed: MysqlTable | None
    ) -> None:
        word = dialect.identifier(column)
        super().__init__(dialect.table(table), word, letter_by_letter(word), "CHAR_LENGTH")
        self._connection = connection
        self._indexed = listed is not None and column in listed.indexed
        self._view = listed is None or listed.view
        self._rows = math.inf if listed is None or listed.view else listed.rows

    def distinct(self, span: ValueSpan, at_most: int) -> ColumnValues:
        """Return different values; a column with very many is known by its first rows, or its index."""
        # Just this form lets the server leap from value to value in an index.
        every = f"SELECT DISTINCT {self.word} FROM {self.table} LIMIT {at_most}"
        if self._indexed:
            return _fitting(self.rows(every), span, at_most)
        looked_at = min(_LOOKED_AT, span.rows)
        if self._rows > looked_at:
            found = _fitting(self._first(looked_at, at_most), span, at_most)
            if found.more or span.rows <= looked_at:
                return found
        if self._rows <= span.rows:
            return _fitting(self.rows(every), span, at_most)
        found = _fitting(self._first(min(_READ_ROWS, span.rows), at_most), span, at_most)
        return replace(found, in_part=True)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Return the rows of ``statement``."""
        return rows(self._connection, statement, parameters or None)

    def ignores_case(self) -> bool:
        """Whether the column's collation does; it may be asked of a row alone."""
        found = self.rows(f"SELECT COLLATION({self.word}) FROM {self.table} LIMIT 1")
        return not found or "_ci" in found[0][0]

    def _first(self, most: int, at_most: int) -> Sequence[Sequence[Any]]:
        first = first_rows(self.table, self._view, f"{self.word} AS v", most)
        return self.rows(f"SELECT DISTINCT v FROM ({first}) AS s WHERE v IS NOT NULL LIMIT {at_most}")


def _fitting(found: Sequence[Sequence[Any]], span: ValueSpan, at_most: int) -> ColumnValues:
    texts = (text for (text,) in found if text is not None)
    fitting = sorted(text for text in texts if span.shortest <= len(text) <= span.longest)
    return ColumnValues(fitting, more=len(found) >= at_most)
