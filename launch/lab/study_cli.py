"""``python -m launch.study STUDY TRACE…``: the tables about policies in ``traces/measured``, from simulation.

Every study is a sweep: it runs over all cores, shows its progress, and goes on where it stopped if
``--results`` names a file.  Equal commands print equal tables.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from launch.arguments import count
from launch.checks import checked
from launch.lab.cells import Cell
from launch.lab.studies import ablation, lead, overload, queue, schema_shapes, tenant_shares
from launch.lab.studies.base import CLUSTERS, StudyResults, StudySetting
from launch.lab.sweep import STOPPED, sweep
from launch.lab.sweep_report import write_json
from sched.traces.trace_format import read_header

_STUDIES = {
    "lead": lead,
    "queue": queue,
    "ablation": ablation,
    "shapes": schema_shapes,
    "overload": overload,
    "tenants": tenant_shares,
}
"""Each has ``HELP``, ``cells(setting)`` and ``tables(setting, results)``."""
_WIDTH = 220


def main(argv: Sequence[str] | None = None) -> int:
    """Run a study and return the exit code: 2 for wrong input."""
    arguments = _parser().parse_args(argv)
    return checked(lambda: _study(arguments), stopped=STOPPED)


def _study(arguments: argparse.Namespace) -> int:
    study = _STUDIES[arguments.study]
    setting = StudySetting(
        tuple(map(str, arguments.traces)),
        tuple(arguments.cluster or CLUSTERS),
        arguments.seeds,
        Cell(
            trace="",
            admission="always",  # of studies that compare something else
            runtime_config=arguments.runtime_config,
            workflows=arguments.workflows,
            slo_scale=arguments.slo_scale,
        ),
    )
    cells = study.cells(setting)
    for cell in cells:
        cell.check()
    figures = sweep(cells, jobs=arguments.jobs, results=arguments.results)
    if arguments.json:
        write_json(arguments.json, cells, figures)
    for trace in arguments.traces:
        print(f"{trace}: {read_header(trace).source}")
    console = Console(width=_WIDTH, highlight=False)
    results = StudyResults(dict(zip(cells, figures, strict=True)), arguments.seeds)
    for shown in study.tables(setting, results):
        console.print(shown)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.study", description=__doc__)
    studies = parser.add_subparsers(dest="study", required=True, metavar="|".join(_STUDIES))
    for name, study in _STUDIES.items():
        add = studies.add_parser(name, help=study.HELP, description=study.__doc__).add_argument
        add("traces", nargs="+", type=Path, metavar="TRACE", help="JSONL traces (traces/README.md)")
        add("--cluster", action="append", help="hetero1 and hetero2 by default; may be repeated")
        add("--runtime-config", default="mixed2048", help="of all policies alike (mixed2048)")
        add("--seeds", type=count, default=3, help="runs per point (3)")
        add("--workflows", type=count, default=400, help="per run, the first tenth not counted (400)")
        add("--slo-scale", type=float, default=2.0, help="S: deadline over expected seconds (2)")
        add("--jobs", type=count, default=os.cpu_count() or 1, help="processes (one per core)")
        add("--results", type=Path, help="JSONL file that keeps finished cells; a study resumes from it")
        add("--json", type=Path, help="write all figures there")
    return parser
