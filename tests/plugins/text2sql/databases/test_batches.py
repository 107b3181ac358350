"""Rows are fetched in batches that grow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from plugins.text2sql.databases.relational.batches import rows_in_batches


class Cursor:
    """Has ``count`` rows, and notes how many it was asked for."""

    def __init__(self, count: int) -> None:
        self.asked: list[int] = []
        self._rows = ((number,) for number in range(count))

    def fetch(self, wanted: int) -> Sequence[tuple[int]]:
        self.asked.append(wanted)
        return list(islice(self._rows, wanted))


def test_all_rows_come_in_order() -> None:
    """The batches double up to 256."""
    cursor = Cursor(1000)
    assert [number for (number,) in rows_in_batches(cursor.fetch)] == list(range(1000))
    assert cursor.asked == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256]


def test_who_stops_at_the_first_row_has_fetched_no_other() -> None:
    """So a statement whose rows are huge never has two of them in the memory."""
    cursor = Cursor(1000)
    next(rows_in_batches(cursor.fetch))
    assert cursor.asked == [1]
