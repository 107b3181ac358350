"""What PostgreSQL knows of the values of columns: its statistics, or a sample of rows where it has none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from plugins.text2sql.databases.postgresql.postgresql_catalog import PostgresqlTable
from plugins.text2sql.databases.postgresql.postgresql_connections import Connection
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.relational.column_facts import (
    MAX_FREQUENT,
    NO_FACTS,
    Facts,
    ListedColumn,
    Sampled,
)
from plugins.text2sql.databases.schema import MAX_CHOICES, MAX_SAMPLE_CHARACTERS, SAMPLE_ROWS, Kind

_VIEW_ROWS = 1_000
_SMALL_ROWS = 1_000
_ROW_HEADER_BYTES = 28
# A partitioned table's own statistics, over its partitions, are the inherited ones.
_STATISTICS = """
SELECT DISTINCT ON (s.schemaname, s.tablename, s.attname)
       s.schemaname, s.tablename, s.attname, s.n_distinct::float8,
       s.most_common_vals::text::text[], s.histogram_bounds::text::text[]
FROM pg_catalog.pg_stats AS s
WHERE {condition}
ORDER BY s.schemaname, s.tablename, s.attname, s.inherited DESC
"""
_OF_ALL = _STATISTICS.format(condition="s.schemaname NOT IN ('pg_catalog', 'information_schema')")
_OF_ONE = _STATISTICS.format(condition="(s.schemaname, s.tablename) = (%s, %s)")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What ANALYZE noted of a column: the most common values, and others spread evenly in their order.

    ``distinct`` is the number of different values; negative, it is a share of the rows.
    """

    distinct: float
    common: Sequence[str]
    spread: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether ``common`` are all values that were seen."""
        return not self.spread and len(self.common) == self.distinct

    def estimate(self, rows: float) -> float:
        """Return about how many different values there are in ``rows``."""
        return self.distinct if self.distinct >= 0 else -self.distinct * max(rows, 0)

    def lists_all(self, rows: float) -> bool:
        """Whether ``common`` and ``spread`` are all values of a table of ``rows``."""
        return self.complete or len(self.common) + len(self.spread) >= self.estimate(rows)

    def facts(self, kind: Kind, rows: float) -> Facts:
        """Return what they tell of a column whose values are of ``kind``."""
        if kind is Kind.TEXT:
            step = max(1, len(self.spread) // MAX_FREQUENT)
            texts = (*self.common[:MAX_FREQUENT], *self.spread[::step])[:MAX_FREQUENT]
            return Facts(frequent=texts, complete=self.lists_all(rows))
        values = sorted(
            value for text in (*self.common, *self.spread) if (value := _value(text, kind)) is not None
        )
        return Facts(values[0], values[len(values) // 2], values[-1]) if values else NO_FACTS


def tells_too_little(known: Mapping[str, Statistics] | None, table: PostgresqlTable) -> bool:
    """Whether ``table`` is better sampled: it has no statistics, or it is small and they leave out values.

    ANALYZE lists no value that it saw once in a column where others repeat, though there be few.
    """
    if not known or not 0 <= table.rows <= _SMALL_ROWS:
        return not known
    texts = [
        known[column.name] for column in table.columns if column.kind is Kind.TEXT and column.name in known
    ]
    return any(not each.lists_all(table.rows) and each.estimate(table.rows) <= MAX_CHOICES for each in texts)


def all_statistics(
    connection: Connection,
) -> Mapping[tuple[str, str], Mapping[str, Statistics]]:
    """Return the statistics of all columns that the role may read, by schema and table.

    Raises:
        psycopg.Error: they can't be read.
    """
    found: dict[tuple[str, str], dict[str, Statistics]] = defaultdict(dict)
    for schema, table, column, distinct, common, spread in connection.execute(_OF_ALL):
        found[schema, table][column] = Statistics(distinct, common or (), spread or ())
    return found


def table_statistics(connection: Connection, schema: str, table: str) -> Mapping[str, Statistics]:
    """Return the statistics of the columns of a table.

    Raises:
        psycopg.Error: they can't be read.
    """
    rows = connection.execute(_OF_ONE, (schema, table))
    return {row[2]: Statistics(row[3], row[4] or (), row[5] or ()) for row in rows}


def sampled(connection: Connection, table: PostgresqlTable) -> Sampled:
    """Return what the first rows of ``table`` tell.

    Raises:
        psycopg.Error: it can't be read.
    """
    columns = [column for column in table.columns if column.kind is not Kind.OTHER and not column.labels]
    names = ", ".join(POSTGRESQL.identifier(column.name) for column in columns)
    limit = _VIEW_ROWS if table.kind in "vf" else SAMPLE_ROWS
    wanted = ["count(*)", "avg(pg_catalog.pg_column_size(s.*))::float8"]
    wanted += [part for column in columns for part in _aggregates(column)]
    row = connection.execute(
        f"WITH s AS MATERIALIZED (SELECT {names} FROM {table.sql} LIMIT {limit}) "
        f"SELECT {', '.join(wanted)} FROM s"
    ).fetchone()
    assert row is not None
    values = iter(row[2:])
    facts = {}
    for column in columns:
        if column.kind is Kind.TEXT:
            texts = next(values) or ()
            facts[column.name] = Facts(frequent=texts, complete=len(texts) < MAX_FREQUENT)
        else:
            facts[column.name] = Facts(next(values), next(values), next(values))
    rows, width = row[0], row[1] or 0.0
    if rows == limit:
        rows = max(rows, round(table.bytes / (width + _ROW_HEADER_BYTES)))
    return Sampled(rows, facts)


def _aggregates(column: ListedColumn) -> tuple[str, ...]:
    word = POSTGRESQL.identifier(column.name)
    if column.kind is not Kind.TEXT:
        return f"min({word})", f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {word})", f"max({word})"
    return (
        f"(SELECT array_agg(v ORDER BY n DESC, v) FROM (SELECT {word}::text AS v, count(*) AS n FROM s "
        f"WHERE length({word}::text) <= {MAX_SAMPLE_CHARACTERS} GROUP BY 1 ORDER BY n DESC, v "
        f"LIMIT {MAX_FREQUENT}) AS q)",
    )


def _value(text: str, kind: Kind) -> Decimal | str | None:
    if kind is Kind.DATE:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
