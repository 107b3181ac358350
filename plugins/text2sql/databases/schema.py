"""What a database holds: tables, columns, keys and sample values; and their text in a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any

from plugins.text2sql.databases.dialect import STANDARD, Dialect, Value
from sched.errors import NotFoundError

SAMPLE_ROWS = 10_000
"""Samples come from this number of first rows of a table, except the lowest and highest value."""
MAX_SAMPLE_CHARACTERS = 40
MAX_CHOICES = 16
"""A text column with more values is an open one, such as a name."""
_MAX_SAMPLES = 6
_MAX_SAMPLES_CHARACTERS = 60
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")


class Kind(StrEnum):
    """What the values of a column are, whatever type was declared."""

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
    ``description`` is one line of the user's.
    """

    name: str
    type: str
    nullable: bool
    primary_key: bool
    kind: Kind
    samples: tuple[Value, ...]
    choices: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``columns`` of a table refer to ``target_columns`` of ``target``, pair by pair."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its number of rows; of a ``view`` they may be more.  ``description`` is one line.

    ``name`` is what the table is known by (:meth:`Dialect.known_as`): perhaps ``schema.table``.
    """

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...]
    row_count: int
    view: bool = False
    description: str = ""

    @property
    def key_columns(self) -> frozenset[str]:
        """The names of the columns that are part of a primary or foreign key."""
        primary = {column.name for column in self.columns if column.primary_key}
        return frozenset(primary.union(*(key.columns for key in self.foreign_keys)))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A table or view, by its known name, that can't be shown, and ``why``.

    ``schema.*`` stands for all of a schema.
    """

    name: str
    why: str

    def __str__(self) -> str:
        """Return it as a sentence without an end."""
        return f"{self.name!r} is left out: {self.why}"


@dataclass(frozen=True, slots=True)
class DatabaseSchema:
    """The tables and views of a database, sorted by name, and how its SQL is written.

    ``runs_as`` is the database's own dialect where a model writes another one, ``dialect``.  What can't be
    read by itself, such as a view on a table that is gone, is ``left_out``.
    """

    tables: tuple[Table, ...]
    dialect: Dialect = STANDARD
    runs_as: Dialect | None = None
    left_out: tuple[LeftOut, ...] = ()

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


def described(
    low: Any, high: Any, frequent: Sequence[Any]
) -> tuple[Kind, tuple[Value, ...], tuple[str, ...]]:
    """Return the kind, samples and choices of a column of numbers or of texts, :class:`Column`'s fields.

    ``frequent`` are its values of at most ``MAX_SAMPLE_CHARACTERS`` in the first ``SAMPLE_ROWS`` rows, the
    most frequent first; ``low`` and ``high`` the ends of all.
    """
    is_text = isinstance(low, str)
    if not is_text or all(_DATE.fullmatch(sample) for sample in (low, high, *frequent)):
        middle = sorted(frequent or [low])[len(frequent) // 2]
        return (Kind.DATE if is_text else Kind.NUMBER), tuple(dict.fromkeys((low, middle, high))), ()
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
    return "\n".join(render_table(table, schema.dialect) for table in schema.select(tables))


def render_table(table: Table, dialect: Dialect, left_out: int = 0) -> str:
    """Return one table of :func:`render`; a comment says that ``left_out`` columns are missing from it."""
    head = f"CREATE {'VIEW' if table.view else 'TABLE'} {dialect.table(table.name)} ("
    lines = [head + _remark("" if table.view else f"{table.row_count} rows", table.description)]
    lines += column_lines(table, dialect)
    for key in table.foreign_keys:
        if len(key.columns) > 1:
            columns = ", ".join(map(dialect.identifier, key.columns))
            lines.append(f"  FOREIGN KEY ({columns}) {_reference(key, dialect)},")
    if left_out:
        lines.append(f"  -- {left_out} more {'column' if left_out == 1 else 'columns'}, not shown")
    return "\n".join([*lines, ");"])


def column_lines(table: Table, dialect: Dialect) -> list[str]:
    """Return the line of each column of ``table`` in its text."""
    lines = []
    single = {key.columns[0]: key for key in table.foreign_keys if len(key.columns) == 1}
    for column in table.columns:
        words = [dialect.identifier(column.name), column.type, "PRIMARY KEY" if column.primary_key else ""]
        if column.name in single:
            words.append(_reference(single[column.name], dialect))
        lines.append("  " + " ".join(filter(None, words)) + "," + _comment(column, dialect))
    return lines


def _reference(key: ForeignKey, dialect: Dialect) -> str:
    columns = ", ".join(map(dialect.identifier, key.target_columns))
    return f"REFERENCES {dialect.table(key.target)} ({columns})"


def _comment(column: Column, dialect: Dialect) -> str:
    shown = [dialect.literal(sample) for sample in column.samples if isinstance(sample, str)]
    if shown and column.kind == Kind.DATE:
        return _remark(column.description, f"{shown[0]} .. {shown[-1]}")
    return _remark(column.description, ", ".join(shown))


def _remark(*parts: str) -> str:
    text = "; ".join(filter(None, parts))
    return f" -- {text}" if text else ""
