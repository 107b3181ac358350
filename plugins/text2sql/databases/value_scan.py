"""The text values of a database that a question may name, read within limits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from plugins.text2sql.databases.database import Database, ValueSpan
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
    shortest: int = 2
    longest: int = 64


@dataclass(frozen=True, slots=True)
class ScannedValues:
    """Values with the column of each, as SQL names it; ``complete`` unless a limit cut them."""

    values: tuple[str, ...]
    columns: tuple[str, ...]
    complete: bool


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

    Raises:
        ScanStoppedError: ``stopped`` said so.
        UnavailableError: the database can't be read.
    """
    values: list[str] = []
    columns: list[str] = []
    complete = True
    span = ValueSpan(limits.shortest, limits.longest, limits.column_rows)
    name = schema.dialect.identifier
    for table, column in _text_columns(schema):
        room = min(limits.column_values, limits.values - len(values))
        try:
            read = database.distinct(table.name, column, span, room + 1, stopped)
        except UnavailableError as error:
            if stopped():
                raise ScanStoppedError from error
            raise
        # Numbers and dates are compared, not looked up.
        found = [text for text in read if isinstance(text, str) and any(map(str.isalpha, text))]
        complete &= len(found) <= room and table.row_count <= limits.column_rows
        values += found[:room]
        columns += [f"{name(table.name)}.{name(column)}"] * len(found[:room])
    return ScannedValues(tuple(values), tuple(columns), complete)


def _text_columns(schema: DatabaseSchema) -> list[tuple[Table, str]]:
    return [
        (table, column.name)
        for table in schema.tables
        for column in table.columns
        if column.kind == Kind.TEXT and column.name not in table.key_columns
    ]
