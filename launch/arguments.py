"""Types of command-line arguments."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def positive(text: str) -> float:
    """Return a number above 0.

    Raises:
        argparse.ArgumentTypeError, ValueError: it is something else.
    """
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of whole numbers from ``least`` on."""

    def number(text: str) -> int:
        if not text.strip().lstrip("-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}: give a number from {least} on")
        return int(text)

    return number


count = at_least(1)
"""The type of whole numbers from 1 on."""


def listed(item: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return the type of lists such as ``a,b``, each part of the type ``item``."""

    def parts(text: str) -> tuple[T, ...]:
        return tuple(item(part.strip()) for part in text.split(","))

    parts.__name__ = f"list of {item.__name__}"
    return parts
