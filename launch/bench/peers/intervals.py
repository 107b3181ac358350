"""Bootstrap intervals for figures of runs in which neighbouring workflows are not independent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

BLOCK = 10
"""Consecutive workflows that are drawn together: they met in the same queues."""
_RESAMPLES = 1000

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the ends of its 95 % interval (nan: too little data)."""

    value: float
    low: float
    high: float

    def shown(self, digits: int = 2) -> str:
        """Return it for a table."""
        if math.isnan(self.value):
            return "–"
        if math.isnan(self.low):
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def interval(sizes: Sequence[int], statistic: Callable[[Sequence[Rows]], float]) -> Interval:
    """Return ``statistic`` with its interval.

    ``sizes``: workflows per cell.  ``statistic`` gets the chosen rows of each cell: all of them, then, again
    and again, blocks of neighbours drawn with replacement (Künsch's block bootstrap, cells independently).
    Figures of two systems that take the same rows are thus compared in pairs.
    """
    value = statistic([np.arange(size) for size in sizes])
    blocks = [np.arange(math.ceil(size / BLOCK)) for size in sizes]
    if min(map(len, blocks)) < 2 or math.isnan(value):
        return Interval(value, math.nan, math.nan)

    def resampled(*chosen: Rows) -> float:
        return statistic([_rows(starts, size) for starts, size in zip(chosen, sizes, strict=True)])

    found = bootstrap(
        blocks,
        resampled,
        vectorized=False,
        method="percentile",
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return Interval(value, *map(float, found.confidence_interval))


def _rows(blocks: Rows, size: int) -> Rows:
    rows = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
    return np.asarray(rows[rows < size])
