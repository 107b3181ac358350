"""The values of columns in a DuckDB file: read within limits, or looked up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugins.text2sql.databases.database import ColumnValues, ValueSpan
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.schema import DatabaseSchema, Kind

_LOOKED_AT = 100_000
"""Of a column with more different values in so many rows than are wanted, no more is read."""
_SMALL_ROWS = 2_000
"""Of a table with at most so many rows, all columns of text are read at once: a query takes a millisecond."""

Ask = Callable[[str, Sequence[str]], Sequence[Sequence[Any]]]
"""Returns the rows of a statement, in which ``?`` stands for each parameter."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The values of the columns of one table, each until it is taken."""

    table: str
    span: ValueSpan
    values: dict[str, set[str]]


class TableReader:
    """Reads the columns of the tables of ``schema``; the file can't change meanwhile."""

    def __init__(self, schema: DatabaseSchema = DatabaseSchema(())) -> None:  # noqa: B008 (it is frozen)
        self._rows = {table.name: table.row_count for table in schema.tables if not table.view}
        self._texts: Mapping[str, Sequence[str]] = {
            table.name: [column.name for column in table.columns if column.kind is Kind.TEXT]
            for table in schema.tables
            if not table.view and table.row_count <= _SMALL_ROWS
        }
        self._lock = threading.Lock()
        self._read: _Read | None = None

    def distinct(self, table: str, column: str, span: ValueSpan, at_most: int, ask: Ask) -> ColumnValues:
        """Return different values of a column; a column with very many is known by its first rows.

        An index asks for all columns of a table in turn, so those of a small one are kept until then.
        """
        if column in self._texts.get(table, ()) and self._rows[table] <= span.rows:
            found = sorted(self._of_small(table, column, span, ask))
            return ColumnValues(found[:at_most], more=len(found) >= at_most)
        word, source = DUCKDB.identifier(column), DUCKDB.table(table)

        def values(of: str) -> list[Any]:
            fitting = f"length({word}) BETWEEN {span.shortest} AND {span.longest}"
            return [
                value
                for (value,) in ask(f"SELECT DISTINCT {word} FROM {of} WHERE {fitting} LIMIT {at_most}", ())
            ]

        looked_at = min(_LOOKED_AT, span.rows)
        small = self._rows.get(table, span.rows + 1) <= looked_at
        first = values(source if small else f"(SELECT {word} FROM {source} LIMIT {looked_at})")
        if len(first) == at_most:
            return ColumnValues(first, more=True)
        if not small and span.rows > looked_at:
            first = values(f"(SELECT {word} FROM {source} LIMIT {span.rows})")
        return ColumnValues(sorted(first))

    def _of_small(self, table: str, column: str, span: ValueSpan, ask: Ask) -> set[str]:
        with self._lock:
            read = self._read
            if read is None or (read.table, read.span) != (table, span) or column not in read.values:
                words = map(DUCKDB.identifier, self._texts[table])
                fitting = (
                    f"CASE WHEN length({word}) BETWEEN {span.shortest} AND {span.longest} THEN {word} END"
                    for word in words
                )
                rows = ask(f"SELECT {', '.join(fitting)} FROM {DUCKDB.table(table)}", ())
                columns = zip(*rows, strict=True) if rows else [()] * len(self._texts[table])
                values = ({value for value in values if value is not None} for values in columns)
                read = self._read = _Read(table, span, dict(zip(self._texts[table], values, strict=True)))
            return read.values.pop(column)


def equal(table: str, column: str, texts: Sequence[str], at_most: int, ask: Ask) -> Sequence[str]:
    """Return values that are one of ``texts``."""
    return _matching(table, column, ("{} = ?", texts), f"ORDER BY 1 LIMIT {at_most}", ask)


def beginning(table: str, column: str, texts: Sequence[str], at_most: int, ask: Ask) -> Sequence[str]:
    """Return values that begin with one of ``texts`` in any case, the shortest first."""
    order = f"ORDER BY length(v), v LIMIT {at_most}"
    return _matching(table, column, ("starts_with(lower({}), lower(?))", texts), order, ask)


def _matching(
    table: str, column: str, condition: tuple[str, Sequence[str]], order: str, ask: Ask
) -> Sequence[str]:
    word = DUCKDB.identifier(column)
    form, texts = condition
    conditions = " OR ".join([form.format(word)] * len(texts))
    statement = f"SELECT DISTINCT {word} AS v FROM {DUCKDB.table(table)} WHERE {conditions} {order}"
    return [value for (value,) in ask(statement, texts)] if texts else ()
