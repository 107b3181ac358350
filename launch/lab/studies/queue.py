"""Where the order of waiting calls matters: P95 under ``adaptive`` over that under ``fcfs``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.studies.base import UNENDED, StudyResults, StudySetting, place_name, table

HELP = "where the order of waiting calls matters, by load, room, slots, bursts and prefill mode"

LOADS = (0.4, 0.6, 0.8, 1.0, 1.2)
_ORDERS = ("fcfs", "adaptive")
_MODES = ("mixed2048", "default")
_REGIMES: dict[str, dict[str, Any]] = {
    "plenty": {},
    "bursts (cv 3)": {"arrivals": "gamma:3"},
    "bursts, 16 slots": {"arrivals": "gamma:3", "max_running_requests": 16},
    "16 slots": {"max_running_requests": 16},
    "8 slots": {"max_running_requests": 8},
    "KV a quarter": {"kv_scale": 0.25},
}


def cells(setting: StudySetting) -> list[Cell]:
    """Return the runs of every regime under both orders."""
    rows = (row for _, row in _rows(setting))
    runs = (replace(row, load=load, ordering=order) for row in rows for load in LOADS for order in _ORDERS)
    return setting.seeded(runs)


def tables(setting: StudySetting, results: StudyResults) -> list[Table]:
    """Return the change of P95 against first come, first served; ``∞``: some workflows never end."""
    shown = table(
        "P95 under adaptive against fcfs, placement sluice, by load",
        ("trace", "cluster", "prefill", "regime"),
        [f"{load:.0%}" for load in LOADS],
    )
    changes: list[float] = []
    for told, row in _rows(setting):
        figures = []
        for load in LOADS:
            plain, ordered = (
                results.mean(replace(row, load=load, ordering=order), "p95") for order in _ORDERS
            )
            if max(plain, ordered) == UNENDED:
                figures.append("∞")
                continue
            changes.append(ordered / plain - 1)
            figures.append(f"{changes[-1]:+.1%}")
        shown.add_row(*place_name(row), *told, *figures)
    shown.caption = f"from {min(changes):+.1%} to {max(changes):+.1%}" if changes else None
    return [shown]


def _rows(setting: StudySetting) -> Iterator[tuple[tuple[str, str], Cell]]:
    for place in setting.places():
        for mode in _MODES:
            for regime, changes in _REGIMES.items():
                told = (mode, regime)
                yield told, replace(place, placement="sluice", runtime_config=mode, **changes)
