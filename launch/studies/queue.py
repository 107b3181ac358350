"""Where the order of waiting calls matters: P95 of ``adaptive`` and ``urgency`` over that of ``fcfs``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.table import Table

from launch.cells import Cell
from launch.studies.base import UNENDED, Results, Setting, place_name, table

HELP = "where the order of waiting calls matters, by load, room, slots, bursts and prefill mode"

LOADS = (0.4, 0.6, 0.8, 1.0, 1.2)
ORDERS = ("adaptive", "urgency")
_MODES = ("mixed2048", "default")
_REGIMES: dict[str, dict[str, Any]] = {
    "plenty": {},
    "bursts (cv 3)": {"arrivals": "gamma:3"},
    "bursts, 16 slots": {"arrivals": "gamma:3", "max_running_requests": 16},
    "16 slots": {"max_running_requests": 16},
    "8 slots": {"max_running_requests": 8},
    "KV a quarter": {"kv_scale": 0.25},
}


def cells(setting: Setting) -> list[Cell]:
    """Return the runs of every regime under each order."""
    orders = ("fcfs", *ORDERS)
    rows = (row for _, row in _rows(setting))
    runs = (replace(row, load=load, ordering=order) for row in rows for load in LOADS for order in orders)
    return setting.seeded(runs)


def tables(setting: Setting, results: Results) -> list[Table]:
    """Return the change of P95 against first come, first served, for each order."""
    return [_changes(setting, results, order) for order in ORDERS]


def _rows(setting: Setting) -> Iterator[tuple[tuple[str, str], Cell]]:
    for place in setting.places():
        for mode in _MODES:
            for regime, changes in _REGIMES.items():
                told = (mode, regime)
                yield told, replace(place, placement="sluice", runtime_config=mode, **changes)


def _changes(setting: Setting, results: Results, order: str) -> Table:
    shown = table(
        f"P95 of {order} against fcfs, placement sluice, by load",
        ("trace", "cluster", "prefill", "regime"),
        [f"{load:.0%}" for load in LOADS],
    )
    worst = -UNENDED
    for told, row in _rows(setting):
        figures = []
        for load in LOADS:
            plain = results.mean(replace(row, load=load, ordering="fcfs"), "p95")
            ordered = results.mean(replace(row, load=load, ordering=order), "p95")
            change = ordered / plain - 1 if max(plain, ordered) < UNENDED else 0.0
            worst = max(worst, change)
            figures.append(f"{change:+.0%}" if max(plain, ordered) < UNENDED else "∞")
        shown.add_row(*place_name(row), *told, *figures)
    shown.caption = f"worst: {worst:+.1%}"
    return shown
