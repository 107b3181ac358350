"""The text values of a database that a question may name, read within limits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plugins.text2sql.databases.database import Database, ValueSpan
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.schema import DatabaseSchema, Kind, Table
from sched.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How much of a database is read: distinct values in all and of one column, rows of one column.

    Values of ``shortest`` to ``longest`` characters count.  The index takes about 1 kB a value.
    """

    values: int = 30_000
    column_values: int = 8_000
    column_rows: int = 2_000_000
    shortest: int = 1
    longest: int = 64


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column, by its own and its table's name as they are stored."""

    table: str
    name: str

    def sql(self, dialect: Dialect) -> str:
        """Return it as SQL names it."""
        return f"{dialect.table(self.table)}.{dialect.identifier(self.name)}"


@dataclass(frozen=True, slots=True)
class ScannedValues:
    """Values with the column of each, as SQL names it.

    Of the ``large`` columns, which have more values than the limits allow, there are none.  Of the columns
    ``in_part``, as SQL names them, only some rows were read.
    """

    values: tuple[str, ...]
    columns: tuple[str, ...]
    large: tuple[TextColumn, ...] = ()
    in_part: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether no limit cut the values."""
        return not self.large and not self.in_part


class ScanStoppedError(Exception):
    """The scan was told to stop."""


def identity(database: Database, schema: DatabaseSchema, limits: ScanLimits) -> str:
    """Return what changes whenever the values may have: the data's identity, the schema and the limits.

    Raises:
        UnavailableError: the database is gone.
    """
    columns = [(table.name, column.name, column.type) for table in schema.tables for column in table.columns]
    return hashlib.sha256(repr((database.identity(), limits, columns)).encode()).hexdigest()


def scan_values(
    database: Database, schema: DatabaseSchema, limits: ScanLimits, stopped: Callable[[], bool]
) -> ScannedValues:
    """Read the distinct values of every text column that is no key.  Takes seconds for a large database.

    A column with more values than there is room for is not read further.

    Raises:
        ScanStoppedError: ``stopped`` said so.
        UnavailableError: the database can't be read.
    """
    values: list[str] = []
    columns: list[str] = []
    large: list[TextColumn] = []
    in_part: list[str] = []
    span = ValueSpan(limits.shortest, limits.longest, limits.column_rows)
    for table, column, samples in _text_columns(schema):
        room = min(limits.column_values, limits.values - len(values))
        if room == 0:
            large += [column] if any(_says_something(text) for text in samples) else []
            continue
        try:
            read = database.distinct(column.table, column.name, span, room + 1, stopped)
        except UnavailableError as error:
            if stopped():
                raise ScanStoppedError from error
            raise
        # Numbers and dates are compared, not looked up.
        found = [text for text in read.values if _says_something(text)]
        if (read.more or len(read.values) > room) and found:
            # The first of so many would be arbitrary ones.
            large.append(column)
            continue
        label = column.sql(schema.dialect)
        if read.in_part or table.row_count > limits.column_rows:
            in_part.append(label)
        values += found
        columns += [label] * len(found)
    return ScannedValues(tuple(values), tuple(columns), tuple(large), tuple(in_part))


def _says_something(value: Any) -> bool:
    return isinstance(value, str) and any(map(str.isalpha, value))


def _text_columns(schema: DatabaseSchema) -> list[tuple[Table, TextColumn, Sequence[Any]]]:
    return [
        (table, TextColumn(table.name, column.name), column.samples)
        for table in schema.tables
        if not table.view
        for column in table.columns
        if column.kind == Kind.TEXT and column.name not in table.key_columns
    ]
