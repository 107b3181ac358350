"""What is measured: a server, a number of candidates and a load make a cell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

MOST_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Load:
    """``clients`` that ask one question after another, or arrivals at a ``rate`` per second, by chance."""

    kind: Literal["clients", "rate"]
    value: float

    @property
    def name(self) -> str:
        """What it is called in tables and files."""
        if self.kind == "rate":
            return f"{self.value:g}/s"
        return f"{self.value:g} client{'s' if self.value > 1 else ''}"


@dataclass(frozen=True, slots=True)
class AccuracyCell:
    """``server`` is the name of what answers; without ``candidates`` its own number holds."""

    server: str
    candidates: int | None
    load: Load

    @property
    def key(self) -> str:
        """What tells it from others in a file of results."""
        return f"{self.system}, {self.load.name}"

    @property
    def system(self) -> str:
        """What is measured, whatever the load."""
        return self.server if self.candidates is None else f"{self.server} × {self.candidates}"


def cells(servers: Sequence[str], candidates: Sequence[int], loads: Sequence[Load]) -> list[AccuracyCell]:
    """Return all cells; those of a server follow one another."""
    return [AccuracyCell(*parts) for parts in product(servers, candidates or (None,), loads)]


def candidate_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers in a list such as ``1,3,5-8``.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"{text!r}: give numbers such as 1,3,5 or 1-8")
        found += range(int(first), int(last if dash else first) + 1)
    if not found or not all(1 <= number <= MOST_CANDIDATES for number in found):
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers from 1 to {MOST_CANDIDATES}")
    return tuple(dict.fromkeys(found))
