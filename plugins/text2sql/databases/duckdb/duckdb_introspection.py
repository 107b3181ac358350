"""Reading the schema of a DuckDB database: its catalogue, and the first rows of each table."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import duckdb

from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.relational.column_facts import (
    MAX_FREQUENT,
    Facts,
    ListedColumn,
)
from plugins.text2sql.databases.relational.interrupting import expired, watched
from plugins.text2sql.databases.relational.listed_table import ListedTable, with_dots
from plugins.text2sql.databases.schema import (
    MAX_SAMPLE_CHARACTERS,
    SAMPLE_ROWS,
    DatabaseSchema,
    ForeignKey,
    Kind,
    LeftOut,
)

TABLE_SECONDS = 5.0
"""Of a table or view that takes longer, only the samples that came in time are shown."""
_SAMPLING_SECONDS = 60.0
"""Tables that have not been sampled after so long are shown without samples."""

_MAX_TYPE_CHARACTERS = 100
_NUMBER = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|U?INTEGER|DECIMAL.*|DOUBLE|FLOAT|BIGNUM")
_DATE = re.compile(r"DATE|TIMESTAMP.*")
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_COLUMNS = """
SELECT c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable, c.comment,
       t.comment, t.estimated_size, v.view_name IS NOT NULL, v.comment
FROM duckdb_columns() AS c
LEFT JOIN duckdb_tables() AS t ON t.table_oid = c.table_oid AND t.database_oid = c.database_oid
LEFT JOIN duckdb_views() AS v ON v.view_oid = c.table_oid AND v.database_oid = c.database_oid
WHERE c.database_name = current_database() AND NOT c.internal
ORDER BY c.schema_name, c.table_name, c.column_index
"""
_KEYS = """
SELECT schema_name, table_name, constraint_type, constraint_column_names, referenced_table,
       referenced_column_names
FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY')
"""


def introspect(cursor: duckdb.DuckDBPyConnection) -> DatabaseSchema:
    """Read the schema: two queries, and two more for each table.

    A table's lowest and highest values come from DuckDB's statistics, the rest from its first rows, as far as
    they come in time.  What can't be read by itself is ``left_out``.

    Raises:
        duckdb.Error: the database can't be read.
    """
    tables = []
    late = expired(_SAMPLING_SECONDS)
    found, left_out = _listed(cursor)
    for listed in found:
        try:
            facts = {} if late() else _facts(cursor, listed)
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            left_out.append(LeftOut(listed.known_as, str(error).partition("\n")[0]))
            continue
        tables.append(listed.shown(round(listed.rows), facts))
    tables.sort(key=lambda table: table.name)
    return DatabaseSchema(tuple(tables), DUCKDB, left_out=tuple(left_out))


def _listed(cursor: duckdb.DuckDBPyConnection) -> tuple[list[ListedTable], list[LeftOut]]:
    """Return the tables and views of the catalogue, and what has no name by which it could be known."""
    primary: dict[tuple[str, str], Sequence[str]] = {}
    foreign: dict[tuple[str, str], list[ForeignKey]] = defaultdict(list)
    for schema, table, kind, columns, target, target_columns in cursor.execute(_KEYS).fetchall():
        if kind == "PRIMARY KEY":
            primary[schema, table] = columns
        else:
            # DuckDB has foreign keys within a schema only.
            key = ForeignKey(tuple(columns), DUCKDB.known_as(schema, target), tuple(target_columns))
            foreign[schema, table].append(key)
    rows: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for schema, table, *row in cursor.execute(_COLUMNS).fetchall():
        rows[schema, table].append(row)
    found = []
    for (schema, table), columns in rows.items():
        if "." in schema:
            continue
        *_, comment, size, view, view_comment = columns[0]
        listed = ListedTable(
            schema=schema,
            name=table,
            known_as=DUCKDB.known_as(schema, table),
            view=view,
            comment=(view_comment if view else comment) or "",
            rows=0 if view else size,
            columns=tuple(_column(row, primary.get((schema, table), ())) for row in columns),
            keys=tuple(foreign[schema, table]),
        )
        found.append(listed)
    return found, with_dots(schema for schema, _ in rows)


def _column(row: Sequence[Any], primary: Sequence[str]) -> ListedColumn:
    name, type_, nullable, comment, *_ = row
    labels = tuple(text.replace("''", "'") for text in _LABEL.findall(type_)) if type_[:5] == "ENUM(" else ()
    shown = "ENUM" if labels else type_
    if len(shown) > _MAX_TYPE_CHARACTERS:
        shown = shown[: _MAX_TYPE_CHARACTERS - 1] + "…"
    kind = Kind.OTHER
    if _NUMBER.fullmatch(type_):
        kind = Kind.NUMBER
    elif _DATE.fullmatch(type_):
        kind = Kind.DATE
    elif labels or type_ == "VARCHAR":
        kind = Kind.TEXT
    return ListedColumn(name, shown, nullable, name in primary, kind, comment or "", labels)


def _facts(cursor: duckdb.DuckDBPyConnection, table: ListedTable) -> dict[str, Facts]:
    """Return what the first rows, and for tables DuckDB's statistics, tell of the columns.

    If that takes long, only what it told in time.
    """
    columns = [column for column in table.columns if column.kind is not Kind.OTHER and not column.labels]
    facts: dict[str, Facts] = {}
    with suppress(duckdb.InterruptException), watched(expired(TABLE_SECONDS), cursor.interrupt):
        for part in (_of_view if table.view else _of_table)(cursor, table, columns):
            facts |= part
    return facts


def _of_view(
    cursor: duckdb.DuckDBPyConnection, table: ListedTable, columns: Sequence[ListedColumn]
) -> Iterator[dict[str, Facts]]:
    for column, found in zip(columns, _first_rows(cursor, table, columns), strict=True):
        if column.kind is Kind.TEXT:
            yield {column.name: _frequent(found)}
        elif found:
            yield {column.name: Facts(low=min(found), high=max(found))}


def _of_table(
    cursor: duckdb.DuckDBPyConnection, table: ListedTable, columns: Sequence[ListedColumn]
) -> Iterator[dict[str, Facts]]:
    texts = [column for column in columns if column.kind is Kind.TEXT]
    values = _first_rows(cursor, table, texts)
    yield {column.name: _frequent(found) for column, found in zip(texts, values, strict=True)}
    others = [column for column in columns if column.kind is not Kind.TEXT]
    words = [DUCKDB.identifier(column.name) for column in others]
    if words:
        # DuckDB keeps the ends of numbers and dates.
        wanted = ", ".join(f"min({word}), max({word})" for word in words)
        ends = cursor.execute(f"SELECT {wanted} FROM {_sql(table)}").fetchall()[0]
        pairs = zip(others, ends[::2], ends[1::2], strict=True)
        yield {column.name: Facts(low=low, high=high) for column, low, high in pairs}


def _first_rows(
    cursor: duckdb.DuckDBPyConnection, table: ListedTable, columns: Sequence[ListedColumn]
) -> list[list[Any]]:
    """Return the values that the first rows have of each of ``columns``."""
    if not columns:
        return []
    names = ", ".join(DUCKDB.identifier(column.name) for column in columns)
    rows = cursor.execute(f"SELECT {names} FROM {_sql(table)} LIMIT {SAMPLE_ROWS}").fetchall()
    if not rows:
        return [[] for _ in columns]
    return [[value for value in values if value is not None] for values in zip(*rows, strict=True)]


def _sql(table: ListedTable) -> str:
    """Return the table in SQL, with its schema."""
    return f"{DUCKDB.identifier(table.schema)}.{DUCKDB.identifier(table.name)}"


def _frequent(texts: Sequence[str]) -> Facts:
    counts = Counter(texts)
    short = sorted(text for text in counts if len(text) <= MAX_SAMPLE_CHARACTERS)
    # Sorting is stable: of equally frequent ones the first stay first.
    frequent = sorted(short, key=counts.__getitem__, reverse=True)[:MAX_FREQUENT]
    return Facts(frequent=frequent, complete=len(frequent) < MAX_FREQUENT)
