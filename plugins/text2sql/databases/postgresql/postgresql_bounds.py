"""Bounds on what PostgreSQL sends: the driver takes whole rows, and a value may have a gigabyte.

A statement whose columns may hold large values is put into another one, which cuts texts and bytes and leaves
out other values that are too big, telling their size instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from plugins.text2sql.databases.database import StatementError

_ROWS = 100
_BYTEA, _TEXT, _VARCHAR, _NUMERIC = 17, 25, 1043, 1700
"""The numbers that these types have in every PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A statement whose values have at most about ``value_bytes`` each, and how many rows to fetch at once.

    ``sized``: its last column is the size of the largest value that may have been left out.
    """

    statement: str
    sized: bool
    rows: int
    value_bytes: int

    def read(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """Yield ``rows`` as the statement inside has them.

        Raises:
            StatementError: a value was left out.
        """
        for row in rows:
            if not self.sized:
                yield row
                continue
            if (row[-1] or 0) > self.value_bytes:
                raise StatementError("invalid", f"a value is too big: more than {self.value_bytes} bytes")
            yield row[:-1]


def bounded(statement: str, columns: Sequence[psycopg.Column], value_bytes: int) -> Bounded:
    """Return ``statement``, a SELECT with ``columns``, within bounds; the server must have parsed it."""
    shown, sizes = [], []
    for number, column in enumerate(columns):
        name = f"c{number}"
        if _is_small(column, value_bytes):
            shown.append(name)
        elif column.type_code in (_TEXT, _VARCHAR):
            shown.append(f"pg_catalog.left({name}, {value_bytes + 1})")
        elif column.type_code == _BYTEA:
            shown.append(f"pg_catalog.substr({name}, 1, {value_bytes + 1})")
        else:
            size = f"pg_catalog.pg_column_size({name})"
            shown.append(f"CASE WHEN {size} <= {value_bytes} THEN {name} END")
            sizes.append(size)
    large = [word for number, word in enumerate(shown) if word != f"c{number}"]
    if not large:
        return Bounded(statement, False, _ROWS, value_bytes)
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    shown += [f"greatest({', '.join(sizes)})"] if sizes else []
    # OFFSET keeps the planner from writing an expression wherever its name stands.
    inside = f"SELECT * FROM (\n{statement}\n) AS inside ({names}) OFFSET 0"
    text = f"SELECT {', '.join(shown)} FROM ({inside}) AS answer"
    return Bounded(text, bool(sizes), max(1, _ROWS // len(large)), value_bytes)


def _is_small(column: psycopg.Column, value_bytes: int) -> bool:
    """Whether no value of ``column`` can be large: a number has at most 150,000 digits."""
    declared = column.display_size
    short = declared is not None and declared <= value_bytes
    return column.internal_size is not None or column.type_code == _NUMERIC or short
