"""The text values of a database that a question may name, read within limits."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from plugins.text2sql.databases.schema import DatabaseSchema, Kind, Table, identifier
from plugins.text2sql.databases.sqlite import open_read_only

_STOP_CHECK_INSTRUCTIONS = 10_000
_BATCH = 1_000


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


def identity(path: Path, schema: DatabaseSchema, limits: ScanLimits) -> str:
    """Return what changes whenever the values at ``path`` may have: sizes, times, schema and limits.

    Raises:
        OSError: the file is gone.
    """
    stat = path.stat()
    facts: list[object] = [stat.st_size, stat.st_mtime_ns, limits]
    log = path.with_name(path.name + "-wal")
    if log.exists():
        facts += [log.stat().st_size, log.stat().st_mtime_ns]
    facts += [(table.name, column.name, column.type) for table in schema.tables for column in table.columns]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def scan_values(
    path: Path, schema: DatabaseSchema, limits: ScanLimits, stopped: Callable[[], bool]
) -> ScannedValues:
    """Read the distinct values of every text column that is no key.  Takes seconds for a large file.

    Raises:
        ScanStoppedError: ``stopped`` said so.
        sqlalchemy.exc.SQLAlchemyError: the database can't be read.
    """
    values: list[str] = []
    columns: list[str] = []
    complete = True
    engine = open_read_only(path, 1)
    try:
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            if isinstance(raw, sqlite3.Connection):
                raw.set_progress_handler(stopped, _STOP_CHECK_INSTRUCTIONS)
            for table, column in _text_columns(schema):
                room = min(limits.column_values, limits.values - len(values))
                found = _distinct(connection, table.name, column, limits, room + 1)
                complete &= len(found) <= room and table.row_count <= limits.column_rows
                values += found[:room]
                columns += [f"{identifier(table.name)}.{identifier(column)}"] * len(found[:room])
    except SQLAlchemyError as error:
        if stopped():
            raise ScanStoppedError from error
        raise
    finally:
        engine.dispose()
    return ScannedValues(tuple(values), tuple(columns), complete)


def _text_columns(schema: DatabaseSchema) -> list[tuple[Table, str]]:
    return [
        (table, column.name)
        for table in schema.tables
        for column in table.columns
        if column.kind == Kind.TEXT and column.name not in table.key_columns
    ]


def _distinct(
    connection: sa.Connection, table: str, name: str, limits: ScanLimits, at_most: int
) -> list[str]:
    """Return up to ``at_most`` different values; SQLite stops reading when it has them."""
    column: sa.ColumnClause[str] = sa.column(name)
    rows = sa.select(column).select_from(sa.table(table, column)).limit(limits.column_rows).subquery()
    value = rows.c[name]
    long_enough = sa.func.length(value).between(limits.shortest, limits.longest)
    chosen = sa.select(value).distinct().where(long_enough).limit(at_most)
    found = connection.execution_options(yield_per=_BATCH).execute(chosen).scalars()
    # Numbers and dates are compared, not looked up.
    return [text for text in found if isinstance(text, str) and any(map(str.isalpha, text))]
