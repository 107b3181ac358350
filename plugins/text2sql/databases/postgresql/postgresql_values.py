"""The values of columns in PostgreSQL: from the statistics, from sampled rows, or looked up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg

from plugins.text2sql.databases.database import ColumnValues, ValueSpan
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.postgresql.postgresql_statistics import Statistics, table_statistics
from plugins.text2sql.databases.relational.beginnings import pattern, usual_cases
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

    def of(self, connection: psycopg.Connection[Any], table: str, column: str) -> Statistics | None:
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


def distinct_values(
    connection: psycopg.Connection[Any],
    known: Statistics | None,
    place: tuple[str, str],
    span: ValueSpan,
    at_most: int,
    rows: int,
) -> ColumnValues:
    """Return different values of the column at ``place``, a table of about ``rows`` rows and its column.

    Those that ``known`` has, and of a column with few others those of the rows, or of sampled ones.

    Raises:
        psycopg.Error: they can't be read.
    """
    table, word = POSTGRESQL.table(place[0]), POSTGRESQL.identifier(place[1])
    fitting: list[str] = []
    if known is not None:
        texts = (*known.common, *known.spread)
        fitting = [text for text in texts if span.shortest <= len(text) <= span.longest]
        if known.complete:
            return ColumnValues(fitting[:at_most])
        if known.estimate(rows) > at_most:
            return ColumnValues(fitting[:at_most], more=True)
    in_part = rows > min(span.rows, _SAMPLED_ROWS)
    share = f"TABLESAMPLE SYSTEM ({100 * _SAMPLED_ROWS / rows:.6f}) REPEATABLE (0)" if in_part else ""
    values = connection.execute(
        f"SELECT DISTINCT v FROM (SELECT {word}::text AS v FROM {table} {share} LIMIT {span.rows}) AS s "
        f"WHERE length(v) BETWEEN {span.shortest} AND {span.longest} LIMIT {at_most}"
    )
    found = dict.fromkeys((*fitting, *(value for (value,) in values)))
    return ColumnValues(sorted(found)[:at_most], in_part=in_part)


def equal_values(
    connection: psycopg.Connection[Any], table: str, column: str, texts: Sequence[str], at_most: int
) -> Sequence[str]:
    """Return values that are one of ``texts``; an index is used.

    Raises:
        psycopg.Error: they can't be read.
    """
    word = POSTGRESQL.identifier(column)
    return _matching(
        connection, table, column, f"{word}::text = ANY(%s)", texts, f"ORDER BY v LIMIT {at_most}"
    )


def beginning_values(
    connection: psycopg.Connection[Any], table: str, column: str, texts: Sequence[str], at_most: int
) -> Sequence[str]:
    """Return values that begin with one of ``texts`` in any case, the shortest first.

    First in the cases that are usual in names, for which an index on patterns serves; where there are none,
    all rows are read.

    Raises:
        psycopg.Error: they can't be read.
    """
    order = f"ORDER BY length(v), v LIMIT {at_most}"
    word = f"{POSTGRESQL.identifier(column)}::text"
    usual = [*map(pattern, usual_cases(texts))]
    found = _matching(connection, table, column, f"{word} LIKE ANY(%s)", usual, order)
    anyhow = [*map(pattern, texts)]
    return found or _matching(connection, table, column, f"{word} ILIKE ANY(%s)", anyhow, order)


def _matching(
    connection: psycopg.Connection[Any],
    table: str,
    column: str,
    condition: str,
    texts: Sequence[str],
    order: str,
) -> Sequence[str]:
    statement = (
        f"SELECT v FROM (SELECT DISTINCT {POSTGRESQL.identifier(column)}::text AS v "
        f"FROM {POSTGRESQL.table(table)} WHERE {condition}) AS s {order}"
    )
    return [value for (value,) in connection.execute(statement, (list(texts),))]
