"""The comparison's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.table import Table

from launch.bench.replay.replay_report import number, seconds
from launch.lab.studies.base import table

_COLUMNS = (
    "runs",
    "P50",
    "P95 (95 % interval)",
    "P99",
    "met",
    "95 % scale",
    "goodput/s",
    "cached",
    "waited",
    "failed",
    "P95 over ours",
)


def tables(told: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the tables of what ``peers.analysis.as_dict`` tells."""
    scale = told["design"]["slo_scale"]
    for load, cells in groupby(told["cells"], key=lambda cell: cell["load"]):
        rows = list(cells)
        title = f"Load {load:g} ({rows[0]['rate']:.3f} workflows/s), SLO scale {scale:g}"
        shown = table(title, ("system",), _COLUMNS)
        for cell in rows:
            shown.add_row(cell["system"], *_row(cell, told["design"]["workflows"]))
        yield shown
    shown = table(
        f"Highest load with 95 % within the SLO, scale {scale:g} (–: not between the measured loads)",
        ("system",),
        ("load (95 % interval)", "ours over it"),
    )
    for system, highest in told["highest_load"].items():
        ratio = told["highest_load_of_ours_over"].get(system)
        shown.add_row(system, highest.shown(), ratio.shown() if ratio else "")
    yield shown
    yield _waits(told["cells"])


def _row(cell: Mapping[str, Any], workflows: int) -> list[str]:
    ratio = cell.get("p95_over_ours")
    failed = ", ".join(f"{count} × {reason}" for reason, count in cell["errors"].items())
    return [
        f"{cell['blocks']} × {workflows}",
        seconds(cell["p50"]),
        cell["p95_interval"].shown(1) + " s",
        seconds(cell["p99"]),
        f"{cell['attainment']:.1%}",
        number(cell["scale"]),
        f"{cell['goodput']:.3f}",
        f"{cell['hit_rate']:.1%}",
        seconds(_waited(cell["stages"].values())),
        failed or "0",
        ratio.shown() if ratio else "",
    ]


def _waits(cells: Sequence[Mapping[str, Any]]) -> Table:
    """What calls waited before their prefill, per stage, over all loads."""
    stages = sorted({stage for cell in cells for stage in cell["stages"]})
    shown = table("Mean seconds that a call waited, by stage, over all loads", ("system",), stages)
    for system in dict.fromkeys(cell["system"] for cell in cells):
        mine = [cell["stages"] for cell in cells if cell["system"] == system]
        shown.add_row(system, *(seconds(_waited(c[s] for c in mine if s in c)) for s in stages))
    return shown


def _waited(stages: Iterable[Mapping[str, Any]]) -> float:
    """Return the mean wait over the calls of several ``StageSummary``."""
    calls, total = 0, 0.0
    for stage in stages:
        calls += stage["calls"]
        total += stage["calls"] * stage["queue_seconds"]
    return total / max(1, calls)
