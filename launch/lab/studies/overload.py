"""What admission saves under overload: goodput, P95 and what is refused, with and without it.

An offered load of 1 is the highest rate at which 95 % of workflows meet their deadlines when all are served.
Refused ones, and those ended since their deadline had passed, count as missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.overload_cells import OverloadCell
from launch.lab.studies.base import UNENDED, StudyResults, StudySetting, place_name, table

HELP = "goodput, P95 and refused workflows by offered load, with and without admission by deadline"

OFFERED = (0.3, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)
ADMISSIONS = ("always", "slo_aware")
_FULL = 1.0


def cells(setting: StudySetting) -> list[Cell]:
    """Return the runs of both admissions at each load."""
    runs = (
        (p, admission, offered) for p in setting.places() for admission in ADMISSIONS for offered in OFFERED
    )
    return setting.seeded(_run(*run) for run in runs)


def tables(setting: StudySetting, results: StudyResults) -> list[Table]:
    """Return goodput with its share of that at load 1, P95 of what was answered, and what was not."""

    def goodput(place: Cell, admission: str, offered: float) -> str:
        here, full = (results.mean(_run(place, admission, o), "goodput") for o in (offered, _FULL))
        return f"{here:.3f} · {here / full:.2f}×" if full else f"{here:.3f}"

    def p95(place: Cell, admission: str, offered: float) -> str:
        seconds = results.mean(_run(place, admission, offered), "p95")
        return "∞" if seconds == UNENDED else f"{seconds:.0f}"

    def shed(place: Cell, admission: str, offered: float) -> str:
        run = _run(place, admission, offered)
        counted = results.mean(run, "workflows")
        return " / ".join(f"{results.mean(run, what) / counted:.1%}" for what in ("refused", "dropped"))

    scale = f"S = {setting.cell.slo_scale:g}"
    return [
        _by_load(setting, f"Goodput: workflows/s within {scale}, and over that at load 1", goodput),
        _by_load(setting, "P95 of answered workflows, seconds", p95),
        _by_load(setting, "Refused at arrival / ended late, share of workflows", shed),
    ]


def _by_load(setting: StudySetting, title: str, figure: Callable[[Cell, str, float], str]) -> Table:
    shown = table(title, ("trace", "cluster", "admission"), [f"{offered:g}×" for offered in OFFERED])
    for place in setting.places():
        for admission in ADMISSIONS:
            row = (figure(place, admission, offered) for offered in OFFERED)
            shown.add_row(*place_name(place), admission, *row)
    return shown


def _run(place: Cell, admission: str, offered: float) -> OverloadCell:
    settings = asdict(place) | {"placement": "sluice", "ordering": "adaptive", "admission": admission}
    return OverloadCell(**settings, offered=offered)
