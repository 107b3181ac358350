"""Rows of a statement in batches that grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

_MOST_ROWS = 256


def rows_in_batches(fetch: Callable[[int], Sequence[Sequence[Any]]]) -> Iterator[Sequence[Any]]:
    """Yield the rows that ``fetch`` returns, which is asked for 1, 2, 4 … and at last 256 at a time.

    So whoever takes them sees that a row is too big before hundreds of its kind are in the memory.
    """
    wanted = 1
    while rows := fetch(wanted):
        yield from rows
        wanted = min(2 * wanted, _MOST_ROWS)
