"""Whether tenants get their shares: greedy ones by weight, and a light one beside a flood, by ordering.

Simulated.  Three greedy tenants of weights 1, 2 and 4 each ask for all the cluster's work bound; a light one
asks for a fifth of its half of what a cluster serves, the flood beside it for ten times the other half.
"""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.studies.base import StudyResults, StudySetting, place_name, table
from launch.lab.tenant_cells import TenantCell

HELP = "whether tenants get their shares of GPU seconds, and what a light one feels of a flood"

ORDERS = ("adaptive", "fcfs", "las", "vtc", "fair")
"""The first is what shares are measured against: no sharing."""
_SLOTS = 16


def cells(setting: StudySetting) -> list[Cell]:
    """Return the runs of every ordering in every scenario."""
    return setting.seeded(
        _run(place, order, scenario)
        for place in setting.places()
        for order in ORDERS
        for scenario in ("greedy", "alone", "flood")
    )


def tables(setting: StudySetting, results: StudyResults) -> list[Table]:
    """Return Jain's index, throughput over that without sharing, and the light tenant's P95 over alone."""
    shown = table(
        "Three greedy tenants of weights 1, 2, 4; a light one beside a flood; simulated",
        ("trace", "cluster", "ordering"),
        (
            "Jain",
            "GPU s by weight 1 / 2 / 4",
            "output tokens/s",
            "time for all",
            "light P95 alone",
            "flooded",
            "ratio",
        ),
    )
    for place in setting.places():
        for order in ORDERS:
            greedy, plain = (_run(place, o, "greedy") for o in (order, ORDERS[0]))
            seconds = [results.mean(greedy, f"seconds_{name}") for name in ("one", "two", "four")]
            alone, flooded = (results.mean(_run(place, order, s), "p95") for s in ("alone", "flood"))
            shown.add_row(
                *place_name(place),
                order,
                f"{results.mean(greedy, 'jain'):.3f}",
                " / ".join(f"{value:.0f}" for value in seconds),
                f"{_ratio(results, 'tokens_per_second', greedy, plain):.3f}×",
                f"{_ratio(results, 'makespan', greedy, plain):.3f}×",
                f"{alone:.0f} s",
                f"{flooded:.0f} s",
                f"{flooded / alone:.2f}",
            )
    return [shown]


def _ratio(results: StudyResults, name: str, cell: Cell, plain: Cell) -> float:
    return results.mean(cell, name) / results.mean(plain, name)


def _run(place: Cell, order: str, scenario: str) -> TenantCell:
    settings = asdict(place) | {"placement": "sluice", "ordering": order, "max_running_requests": _SLOTS}
    if scenario != "greedy":
        settings["workflows"] = max(1, place.workflows // 10)
    return TenantCell(**settings, scenario=scenario)
