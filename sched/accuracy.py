"""How well predictions held, over the latest ones."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 1000
"""Predictions looked back on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Absolute errors of the latest ``predictions``: median and 90th percentile (``None`` without any)."""

    predictions: int
    median: int | None
    p90: int | None


class Errors:
    """A bounded window of errors, predicted minus real."""

    def __init__(self, window: int = WINDOW) -> None:
        self._errors: deque[int] = deque(maxlen=window)

    def add(self, error: int) -> None:
        """Note an error; the oldest one is forgotten when the window is full."""
        self._errors.append(error)

    def accuracy(self) -> Accuracy:
        """Return what the window shows; percentiles are the nearest rank."""
        sizes = sorted(map(abs, self._errors))
        if not sizes:
            return Accuracy(predictions=0, median=None, p90=None)

        def rank(share: float) -> int:
            return sizes[max(0, -int(-share * len(sizes) // 1) - 1)]

        return Accuracy(predictions=len(sizes), median=rank(0.5), p90=rank(0.9))
