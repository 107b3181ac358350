"""The comparison's tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from launch.benches.peers.analysis import Measured
from launch.benches.peers.systems import System
from launch.benches.replay.report import number, seconds
from launch.studies.base import table

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


def tables(measured: Measured, ours: System, capacity: float) -> Iterator[Table]:
    """Yield the tables; ``capacity``: workflows per second at a load of 1."""
    scale = measured.design.slo_scale
    for load in measured.loads():
        title = f"Load {load:g} ({load * capacity:.3f} workflows/s), SLO scale {scale:g}"
        shown = table(title, ("system",), _COLUMNS)
        for system in measured.systems:
            shown.add_row(system.name, *_row(measured, system, ours, load))
        yield shown
    shown = table(
        f"Highest load with 95 % within the SLO, scale {scale:g} (–: not between the measured loads)",
        ("system",),
        ("load (95 % interval)", "ours over it"),
    )
    for system in measured.systems:
        ratio = "" if _is_ours(measured, system, ours) else measured.load_ratio(ours, system).shown()
        shown.add_row(system.name, measured.highest_load(system).shown(), ratio)
    yield shown
    yield _waits(measured)


def _is_ours(measured: Measured, system: System, ours: System) -> bool:
    return system == ours or ours not in measured.systems


def _row(measured: Measured, system: System, ours: System, load: float) -> list[str]:
    found = measured.figures(system, load)
    ratio = "" if _is_ours(measured, system, ours) else measured.latency_ratio(system, ours, load).shown()
    failed = ", ".join(f"{count} × {reason}" for reason, count in found["errors"].items())
    return [
        f"{len(measured.blocks(load))} × {measured.design.workflows}",
        seconds(found["p50"]),
        measured.percentile(system, load).shown(1) + " s",
        seconds(found["p99"]),
        f"{found['attainment']:.1%}",
        number(found["scale"]),
        f"{found['goodput']:.3f}",
        f"{found['hit_rate']:.1%}",
        seconds(_waited(found)),
        failed or "0",
        ratio,
    ]


def _waits(measured: Measured) -> Table:
    """What calls waited before their prefill, per stage, over all loads."""
    found = {
        system: [measured.figures(system, load)["stages"] for load in measured.loads()]
        for system in measured.systems
    }
    stages = sorted({stage for cells in found.values() for cell in cells for stage in cell})
    shown = table("Mean seconds that a call waited, by stage, over all loads", ("system",), stages)
    for system, cells in found.items():
        row = []
        for stage in stages:
            mine = [cell[stage] for cell in cells if stage in cell]
            row.append(seconds(_weighted(mine)))
        shown.add_row(system.name, *row)
    return shown


def _waited(found: dict[str, Any]) -> float:
    return _weighted(list(found["stages"].values()))


def _weighted(stages: list[dict[str, Any]]) -> float:
    calls: int = sum(stage["calls"] for stage in stages)
    total: float = sum(stage["calls"] * stage["queue_seconds"] for stage in stages)
    return total / max(1, calls)
