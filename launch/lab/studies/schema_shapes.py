"""What prompts show after schema linking: whole schemas, linked tables, or what the rule decides."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.shape_cells import MIXES, SHAPES, ShapeCell
from launch.lab.studies.base import UNENDED, StudyResults, StudySetting, table

HELP = "whole schemas, linked tables or what is decided, by the databases asked"

LOADS = (0.2,)


def cells(setting: StudySetting) -> list[Cell]:
    """Return the runs of every mix of databases with each shape."""
    rows = [(place, mix, load) for place in setting.places() for mix in MIXES for load in LOADS]
    return setting.seeded(_run(place, mix, load, shape) for place, mix, load in rows for shape in SHAPES)


def tables(setting: StudySetting, results: StudyResults) -> list[Table]:
    """Return P50, P95 and prefill tokens per workflow with each shape; ``∞``: some workflows never end."""
    shown = table(
        f"P50 / P95 seconds and prefill tokens per workflow: {', '.join(SHAPES)}; placement sluice",
        ("cluster", "databases", "load"),
        [f"{shape} {what}" for what in ("P50 / P95", "tokens") for shape in SHAPES],
    )
    for place in setting.places():
        for mix in MIXES:
            for load in LOADS:
                runs = [_run(place, mix, load, shape) for shape in SHAPES]
                times = [
                    f"{_seconds(results.mean(run, 'p50'))} / {_seconds(results.mean(run, 'p95'))}"
                    for run in runs
                ]
                tokens = [f"{results.mean(run, 'prefill_tokens'):,.0f}" for run in runs]
                shown.add_row(place.cluster, mix, f"{load:.0%}", *times, *tokens)
    return [shown]


def _run(place: Cell, mix: str, load: float, shape: str) -> ShapeCell:
    settings = asdict(place) | {"placement": "sluice", "ordering": "adaptive", "load": load}
    return ShapeCell(**settings, mix=mix, shape=shape)


def _seconds(value: float) -> str:
    return "∞" if value == UNENDED else f"{value:.0f}"
