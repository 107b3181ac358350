"""Rows of a statement in batches that grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

_MOST_ROWS = 256


def rows_in_batches(
    fetch: Callable[[int], Sequence[Sequence[Any]]], most: int = _MOST_ROWS
) -> Iterator[Sequence[Any]]:
    """Yield the rows that ``fetch`` returns, which is asked for 1, 2, 4 … and at last ``most`` at a time.

    So whoever takes them sees that a row is too big before hundreds of its kind are in the memory.
    """
    wanted = 1
    while rows := fetch(wanted):
        yield from rows
        wanted = min(2 * wanted, most)
