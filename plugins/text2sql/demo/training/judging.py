"""Whether SQL answers a question: it gives the same rows as the right statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

_DECIMALS = 6
_MOST_COLUMNS = 5

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``right``: the same rows; ``nearly``: the same but for further columns or the columns' order."""

    right: bool
    nearly: bool


def judged(database: Path, gold: str, sql: str | None) -> Verdict:
    """Return how the rows of ``sql`` compare with those of ``gold``; their order counts if ``gold`` has one.

    Raises:
        sqlite3.Error: ``gold`` itself doesn't run.
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        wanted = _rows(connection, gold)
        try:
            found = _rows(connection, sql) if sql else None
        except sqlite3.Error:
            found = None
    if found is None:
        return Verdict(False, False)
    ordered = "ORDER BY" in gold.upper()
    right = _same(wanted, found, ordered)
    return Verdict(right, right or _within(wanted, found, ordered))


def _rows(connection: sqlite3.Connection, sql: str) -> Rows:
    return [
        tuple(round(value, _DECIMALS) if isinstance(value, float) else value for value in row)
        for row in connection.execute(sql)
    ]


def _same(wanted: Rows, found: Rows, ordered: bool) -> bool:
    return wanted == found if ordered else sorted(map(repr, wanted)) == sorted(map(repr, found))


def _within(wanted: Rows, found: Rows, ordered: bool) -> bool:
    if not wanted or len(wanted) != len(found):
        return False
    columns = range(min(len(found[0]), _MOST_COLUMNS))
    return any(
        _same(wanted, [tuple(row[place] for place in places) for row in found], ordered)
        for places in permutations(columns, len(wanted[0]))
    )
