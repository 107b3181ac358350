"""Tables of accuracy beside serving."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.table import Table

from launch.bench.accuracy.cell_figures import CellFigures
from launch.bench.peers.intervals import Interval

NOISY = "R-VES depends on the machine and on what else runs there: compare it within one run only."


def tables(found: Sequence[CellFigures]) -> list[Table]:
    """Return a table with a row for each cell and, if there are difficulties, one with their shares."""
    return [_overview(found), *_difficulties(found)]


def remarks(found: Sequence[CellFigures]) -> Iterator[str]:
    """Yield what else is to be said: failures with their reasons, right statements that didn't run."""
    for cell in found:
        for reason, count in cell.errors.items():
            yield f"{cell.cell.key}: {count} without answer: {reason}"
        if cell.gold_failed:
            yield f"{cell.cell.key}: for {cell.gold_failed} the right statement itself failed"
    if any(cell.r_ves is not None for cell in found):
        yield NOISY


def _overview(found: Sequence[CellFigures]) -> Table:
    bird = any(cell.soft_f1 is not None for cell in found)
    timed = any(cell.r_ves is not None for cell in found)
    optional = [*(["soft F1"] if bird else []), *(["R-VES"] if timed else [])]
    table = Table(
        *("server × candidates", "load", "questions", "EX %", *optional),
        *("P50 s", "P95 s", "in time", "right in time /s"),
        *("calls", "prompt", "cached", "output"),
    )
    for cell in found:
        scores = [*([_percent(cell.soft_f1)] if bird else []), *([_percent(cell.r_ves)] if timed else [])]
        table.add_row(
            cell.cell.system,
            cell.cell.load.name,
            str(cell.questions),
            _shown_share(cell.execution_accuracy),
            *scores,
            _shown_seconds(cell.p50),
            _shown_seconds(cell.p95),
            f"{cell.in_time:.0%}",
            cell.right_in_time_per_second.shown(3),
            f"{cell.costs['calls']:.1f}",
            *(f"{cell.costs[f'{name}_tokens']:,.0f}" for name in ("prompt", "cached", "output")),
        )
    return table


def _difficulties(found: Sequence[CellFigures]) -> list[Table]:
    levels = sorted({level for cell in found for level in cell.by_difficulty})
    if not levels:
        return []
    table = Table("EX %", "load", *levels)
    for cell in found:
        shares = [cell.by_difficulty.get(level) for level in levels]
        table.add_row(
            cell.cell.system, cell.cell.load.name, *("–" if s is None else _shown_share(s) for s in shares)
        )
    return [table]


def _shown_share(share: Interval) -> str:
    return Interval(100 * share.value, 100 * share.low, 100 * share.high).shown(1)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _shown_seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if math.isfinite(seconds) else "∞"
