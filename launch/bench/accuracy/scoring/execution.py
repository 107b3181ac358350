"""Runs a statement on a file that is only read, within a time limit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sched.clock import Clock, monotonic

Row = tuple[Any, ...]

MOST_ROWS = 1_000_000
"""A result with more rows counts as an error: it would fill the memory."""
_STOP_CHECK_INSTRUCTIONS = 10_000
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Executed:
    """What came of a statement; ``seconds`` from opening the file to the last row.

    ``error`` says why there are no rows.
    """

    rows: list[Row]
    columns: tuple[str, ...]
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Executor:
    """How statements are run.

    ``undecodable`` says what becomes of text that isn't UTF-8: with ``strict`` the statement fails, as with
    Python's defaults; with ``ignore`` the wrong bytes are left out.
    """

    undecodable: Literal["strict", "ignore"] = "strict"
    clock: Clock = monotonic

    def run(self, database: Path, sql: str, limit_seconds: float) -> Executed:
        """Return what ``sql`` gives; a statement that needs more than ``limit_seconds`` is stopped."""
        began = self.clock()

        def late() -> bool:
            return self.clock() - began > limit_seconds

        try:
            rows, columns = self._rows(database, sql, late)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            said = f"stopped after {limit_seconds:g} s" if late() else str(error)
            return Executed([], (), self.clock() - began, said)
        return Executed(rows, columns, self.clock() - began)

    def _rows(self, database: Path, sql: str, late: Callable[[], bool]) -> tuple[list[Row], tuple[str, ...]]:
        address = f"file:{quote(str(database.resolve()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.text_factory = lambda raw: raw.decode(errors=self.undecodable)
            connection.set_progress_handler(late, _STOP_CHECK_INSTRUCTIONS)
            cursor = connection.execute(sql)
            rows: list[Row] = []
            while batch := cursor.fetchmany(_BATCH):
                rows += batch
                if len(rows) > MOST_ROWS:
                    raise ValueError(f"more than {MOST_ROWS:,} rows")
            return rows, tuple(str(column[0]) for column in cursor.description or ())
