"""A table that clients fill with names of their own, and that stays small."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST_NAMES = 4096
"""Entries of a learned table: stages, databases and the like."""


class BoundedTable(OrderedDict[K, V]):
    """A dictionary of at most ``most`` entries: the one written longest ago goes first."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
