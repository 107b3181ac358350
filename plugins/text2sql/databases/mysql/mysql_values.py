"""The values of columns in MySQL and MariaDB: read within limits, or looked up."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.text2sql.databases.database import ColumnValues, ValueSpan
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.mysql.mysql_connections import Connection, rows
from plugins.text2sql.databases.mysql.mysql_sampling import first_rows
from plugins.text2sql.databases.relational.beginnings import pattern, usual_cases

_LOOKED_AT = 100_000
"""Of a column with more different values in so many rows than are wanted, no more is read."""


class ColumnReader:
    """Reads a column of text, by its own and its table's known name; ``dialect`` is the connection's."""

    def __init__(self, connection: Connection, dialect: Dialect, table: str, column: str) -> None:
        self._connection = connection
        self._table = dialect.table(table)
        self._word = dialect.identifier(column)
        # Letter by letter, and in the connection's character set, whatever the column's are.
        self._binary = f"CAST({self._word} AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin"

    def distinct(self, span: ValueSpan, at_most: int, indexed: bool, view: bool) -> ColumnValues:
        """Return different values; a column with very many is known by its first rows, or its index.

        Raises:
            pymysql.MySQLError: they can't be read.
        """
        if indexed:
            # Just this form lets the server leap from value to value.
            statement = f"SELECT DISTINCT {self._word} FROM {self._table} LIMIT {at_most}"
            return _fitting(self._texts(statement), span, at_most)
        first = self._first(min(_LOOKED_AT, span.rows), at_most, view)
        found = _fitting(first, span, at_most)
        if found.more or span.rows <= _LOOKED_AT:
            return found
        return _fitting(self._first(span.rows, at_most, view), span, at_most)

    def equal(self, texts: Sequence[str], at_most: int) -> Sequence[str]:
        """Return values that are one of ``texts``; an index is used.

        Raises:
            pymysql.MySQLError: they can't be read.
        """
        if not texts:
            return ()
        wanted = set(texts)
        statement = f"SELECT DISTINCT {self._binary} FROM {self._table} WHERE {self._word} IN %s ORDER BY 1"
        return [text for text in self._texts(statement, list(texts)) if text in wanted][:at_most]

    def beginning(self, texts: Sequence[str], at_most: int) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first.

        First in the cases that are usual in names, for which an index serves; where there are none, and the
        column tells small from capital letters, all rows are read.

        Raises:
            pymysql.MySQLError: they can't be read.
        """
        found = self._like(self._word, usual_cases(texts), at_most)
        if found or not texts or self._ignores_case():
            return found
        return self._like(f"LOWER({self._binary})", [text.lower() for text in texts], at_most)

    def _first(self, most: int, at_most: int, view: bool) -> Sequence[str]:
        first = first_rows(self._table, view, f"{self._word} AS v", most)
        return self._texts(f"SELECT DISTINCT v FROM ({first}) AS s WHERE v IS NOT NULL LIMIT {at_most}")

    def _like(self, word: str, beginnings: Sequence[str], at_most: int) -> Sequence[str]:
        if not beginnings:
            return ()
        condition = " OR ".join([f"{word} LIKE %s"] * len(beginnings))
        return self._texts(
            f"SELECT v FROM (SELECT DISTINCT {self._binary} AS v FROM {self._table} WHERE {condition}) AS s "
            f"ORDER BY CHAR_LENGTH(v), v LIMIT {at_most}",
            *map(pattern, beginnings),
        )

    def _ignores_case(self) -> bool:
        found = rows(self._connection, f"SELECT COLLATION({self._word}) FROM {self._table} LIMIT 1")
        return not found or "_ci" in found[0][0]

    def _texts(self, statement: str, *parameters: str | Sequence[str]) -> list[str]:
        return [text for (text,) in rows(self._connection, statement, parameters or None)]


def _fitting(texts: Sequence[str | None], span: ValueSpan, at_most: int) -> ColumnValues:
    found = sorted(text for text in texts if text is not None and span.shortest <= len(text) <= span.longest)
    return ColumnValues(found, more=len(texts) >= at_most)
