"""What the studies share: settings, results by cell, and tables that a README can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import geometric_mean, mean

from rich import box
from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.sweep import Result

CLUSTERS = ("hetero1", "hetero2")
UNENDED = float("inf")
"""Latency of workflows that never end: their runtime had no room for them."""


@dataclass(frozen=True, slots=True)
class StudySetting:
    """What a study runs on; ``cell``: the settings that all its cells share."""

    traces: Sequence[str]
    clusters: Sequence[str]
    seeds: int
    cell: Cell

    def places(self) -> list[Cell]:
        """Return one cell per trace and cluster."""
        return [replace(self.cell, trace=t, cluster=c) for t in self.traces for c in self.clusters]

    def seeded(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return ``cells`` with each seed."""
        return [replace(cell, seed=seed) for cell in cells for seed in range(self.seeds)]


class StudyResults:
    """Figures of cells, by cell; means are over seeds."""

    def __init__(self, figures: Mapping[Cell, Result], seeds: int) -> None:
        self._figures = figures
        self._seeds = seeds

    def values(self, cell: Cell, name: str) -> list[float]:
        """Return a figure per seed; what never ended is infinite."""
        seeded = (self._figures[replace(cell, seed=seed)][name] for seed in range(self._seeds))
        return [UNENDED if value is None else float(value) for value in seeded]

    def mean(self, cell: Cell, name: str) -> float:
        """Return the mean of a figure over the seeds."""
        return mean(self.values(cell, name))

    def best(self, cells: Sequence[Cell], name: str, choose: Callable[..., Cell] = min) -> Cell:
        """Return the cell with the smallest mean, or with ``max`` the largest: a tuned policy."""
        return choose(cells, key=lambda cell: self.mean(cell, name))

    def shown(self, cell: Cell, name: str, digits: str) -> str:
        """Return the mean with the range over the seeds."""
        values = self.values(cell, name)
        low, high = min(values), max(values)
        if high == UNENDED:
            return "∞"
        return f"{mean(values):{digits}} ({low:{digits}}-{high:{digits}})"


def table(title: str, first: Sequence[str], others: Sequence[str]) -> Table:
    """Return an empty table in Markdown: ``first`` columns of words, ``others`` of figures."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.MARKDOWN)
    for name in first:
        made.add_column(name, no_wrap=True)
    for name in others:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def place_name(cell: Cell) -> tuple[str, str]:
    """Return what a row says of a cell's trace and cluster."""
    return Path(cell.trace).stem, cell.cluster


def summary(ratios: Sequence[float]) -> str:
    """Return the geometric mean of ratios, and the smallest."""
    finite = [ratio for ratio in ratios if ratio < UNENDED]
    return f"{geometric_mean(finite):.2f} (≥ {min(finite):.2f})" if finite else "∞"
