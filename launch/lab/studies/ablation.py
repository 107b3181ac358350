"""What each part of ``sluice`` brings: the 95 % stretch without it."""

from __future__ import annotations

from dataclasses import replace

from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.studies.base import StudyResults, StudySetting, summary, table

HELP = "sluice without each of its parts"

LOADS = (0.1, 0.25, 0.4, 0.6)
_WHOLE = ("sluice", "adaptive")
_WITHOUT = {
    "the others' delay (harm 0)": ("sluice?harm=0", "adaptive"),
    "urgency of the late (power 1)": ("sluice?power=1", "adaptive"),
    "the SLO in the target (slo 0)": ("sluice?slo=0", "adaptive"),
    "prefill stalls (stall 0)": ("sluice?stall=0", "adaptive"),
    "spreading popular prefixes (popular 1)": ("sluice?popular=1", "adaptive"),
    "siblings as a set (siblings 0)": ("sluice?siblings=0", "adaptive"),
    "waiting for a prefix (share_tokens 0)": ("sluice?share_tokens=0", "adaptive"),
    "our order (fcfs)": ("sluice", "fcfs"),
    "our placement (least_outstanding)": ("least_outstanding", "adaptive"),
    "our placement (hexgen_flow, α 0.5)": ("hexgen_flow?alpha=0.5", "adaptive"),
}


def cells(setting: StudySetting) -> list[Cell]:
    """Return the runs with and without each part."""
    policies = (_WHOLE, *_WITHOUT.values())
    places = setting.places()
    return setting.seeded(_run(p, policy, load) for p in places for policy in policies for load in LOADS)


def tables(setting: StudySetting, results: StudyResults) -> list[Table]:
    """Return by how much the 95 % stretch worsens without each part."""
    shown = table(
        "95 % stretch without a part over that of the whole: geometric mean over places (smallest)",
        ("without",),
        [f"{load:.0%}" for load in LOADS],
    )
    for name, policy in _WITHOUT.items():
        row = []
        for load in LOADS:
            ratios = [
                results.mean(_run(place, policy, load), "scale")
                / results.mean(_run(place, _WHOLE, load), "scale")
                for place in setting.places()
            ]
            row.append(summary(ratios))
        shown.add_row(name, *row)
    return [shown]


def _run(place: Cell, policy: tuple[str, str], load: float) -> Cell:
    return replace(place, placement=policy[0], ordering=policy[1], load=load)
