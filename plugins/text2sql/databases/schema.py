"""What a database holds: tables, columns, keys and sample values; and their text in a prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlglot import TokenType, tokenize

from sched.errors import NotFoundError

SAMPLE_ROWS = 10_000
"""Samples come from this number of first rows of a table, except the lowest and highest value."""
_MAX_SAMPLES = 6
_MAX_SAMPLE_CHARACTERS = 40
MAX_CHOICES = 16
"""A text column with more values is an open one, such as a name."""
_MAX_SAMPLES_CHARACTERS = 60
# Words that sqlglot takes bare but SQLite's parser doesn't.
_RESERVED = frozenset({"nothing"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")
_WORD = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_PREPARER = sqlite.dialect().identifier_preparer

Value = str | int | float


class Kind(StrEnum):
    """What the values of a column are, whatever type was declared (SQLite doesn't enforce types)."""

    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Column:
    """A column.  ``type`` is the declared type.

    ``samples`` are, for text, the most frequent short values; for numbers and dates the lowest, a
    middle and the highest value in this order (equal ones once); empty for an empty or binary column.
    ``choices`` are all the texts that the first rows have, if they are at most ``MAX_CHOICES``.
    """

    name: str
    type: str
    nullable: bool
    primary_key: bool
    kind: Kind
    samples: tuple[Value, ...]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``columns`` of a table refer to ``target_columns`` of ``target``, pair by pair."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its number of rows."""

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...]
    row_count: int

    @property
    def key_columns(self) -> frozenset[str]:
        """The names of the columns that are part of a primary or foreign key."""
        primary = {column.name for column in self.columns if column.primary_key}
        return frozenset(primary.union(*(key.columns for key in self.foreign_keys)))


@dataclass(frozen=True, slots=True)
class DatabaseSchema:
    """The tables of a database, sorted by name."""

    tables: tuple[Table, ...]

    def select(self, names: Sequence[str] | None = None) -> tuple[Table, ...]:
        """Return the tables with ``names`` (all for ``None``), always in the schema's order.

        Raises:
            NotFoundError: a name is not a table.
        """
        if names is None:
            return self.tables
        known = [table.name for table in self.tables]
        for name in names:
            if name not in known:
                raise NotFoundError(f"unknown table {name!r}; known: {', '.join(known)}", field="tables")
        return tuple(table for table in self.tables if table.name in names)


@lru_cache(maxsize=4096)
def identifier(name: str) -> str:
    """Return ``name`` as SQL, quoted unless SQLite and sqlglot both take it bare."""
    bare = _WORD.fullmatch(name) and tokenize(name, read="sqlite")[0].token_type == TokenType.VAR
    if bare and name not in _RESERVED:
        return str(_PREPARER.quote(name))
    return str(_PREPARER.quote_identifier(name))


def literal(value: Value) -> str:
    """Return ``value`` as an SQL literal."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def introspect(engine: sa.Engine) -> DatabaseSchema:
    """Read the schema through ``engine``; the same data gives the same schema.

    Every table is scanned once per column; views are left out.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database can't be read.
    """
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        names = sorted(inspector.get_table_names())
        return DatabaseSchema(tuple(_table(connection, inspector, name) for name in names))


def _table(connection: sa.Connection, inspector: sa.Inspector, name: str) -> Table:
    primary = inspector.get_pk_constraint(name)["constrained_columns"]
    columns = []
    for column in inspector.get_columns(name):
        kind, samples, choices = _describe(connection, name, column["name"])
        columns.append(
            Column(
                name=column["name"],
                type=_type_name(column["type"]),
                nullable=bool(column["nullable"]),
                primary_key=column["name"] in primary,
                kind=kind,
                samples=samples,
                choices=choices,
            )
        )
    keys = [
        ForeignKey(tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"]))
        for key in inspector.get_foreign_keys(name)
    ]
    keys.sort(key=lambda key: (key.columns, key.target))
    rows = connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
    return Table(name, tuple(columns), tuple(keys), rows)


def _type_name(type_: sa.types.TypeEngine[Any]) -> str:
    return "" if isinstance(type_, sa.types.NullType) else type_.compile(sqlite.dialect())


def _describe(
    connection: sa.Connection, table: str, name: str
) -> tuple[Kind, tuple[Value, ...], tuple[str, ...]]:
    """Return the kind, samples and choices of one column."""
    column: sa.ColumnClause[Any] = sa.column(name)
    source = sa.table(table, column)
    low, high = connection.execute(
        sa.select(sa.func.min(column), sa.func.max(column)).select_from(source)
    ).one()
    # SQLite sorts NULL, numbers, text, blobs: both ends being of a kind, all values are.
    numeric = all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high))
    if not numeric and not (isinstance(low, str) and isinstance(high, str)):
        return Kind.OTHER, (), ()
    short = sa.select(column).where(sa.func.length(column) <= _MAX_SAMPLE_CHARACTERS)
    value = short.limit(SAMPLE_ROWS).select_from(source).subquery().c[name]
    counted = sa.select(value).group_by(value).order_by(sa.func.count().desc(), value)
    frequent: list[Any] = list(connection.execute(counted).scalars())
    if numeric or all(_DATE.fullmatch(sample) for sample in (low, high, *frequent)):
        middle = sorted(frequent or [low])[len(frequent) // 2]
        return (Kind.NUMBER if numeric else Kind.DATE), tuple(dict.fromkeys((low, middle, high))), ()
    return Kind.TEXT, _first_that_fit(frequent), tuple(frequent if len(frequent) <= MAX_CHOICES else ())


def _first_that_fit(texts: Sequence[str]) -> tuple[str, ...]:
    printable = [text for text in texts if text.isprintable()][:_MAX_SAMPLES]
    lengths = accumulate(len(text) for text in printable)
    fitting = sum(length <= _MAX_SAMPLES_CHARACTERS for length in lengths)
    return tuple(printable[:fitting])


def render(schema: DatabaseSchema, tables: Sequence[str] | None = None) -> str:
    """Return the tables as compact DDL with sample values in comments.

    The text depends only on the schema and the *set* of ``tables``, so that prompts share prefixes.

    Raises:
        NotFoundError: one of ``tables`` is unknown.
    """
    return "\n".join(_render_table(table) for table in schema.select(tables))


def _render_table(table: Table) -> str:
    lines = [f"CREATE TABLE {identifier(table.name)} ( -- {table.row_count} rows"]
    single = {key.columns[0]: key for key in table.foreign_keys if len(key.columns) == 1}
    for column in table.columns:
        words = [identifier(column.name), column.type, "PRIMARY KEY" if column.primary_key else ""]
        if column.name in single:
            words.append(_reference(single[column.name]))
        lines.append("  " + " ".join(filter(None, words)) + "," + _comment(column))
    for key in table.foreign_keys:
        if len(key.columns) > 1:
            columns = ", ".join(map(identifier, key.columns))
            lines.append(f"  FOREIGN KEY ({columns}) {_reference(key)},")
    return "\n".join([*lines, ");"])


def _reference(key: ForeignKey) -> str:
    columns = ", ".join(map(identifier, key.target_columns))
    return f"REFERENCES {identifier(key.target)} ({columns})"


def _comment(column: Column) -> str:
    shown = [literal(sample) for sample in column.samples if isinstance(sample, str)]
    if not shown:
        return ""
    if column.kind == Kind.DATE:
        return f" -- {shown[0]} .. {shown[-1]}"
    return " -- " + ", ".join(shown)
