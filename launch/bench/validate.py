"""The simulator against reality: a comparison's runs again, in the simulator, fitted by calibration alone.

It reads what ``launch.bench compare --results FILE`` measured: the same workflows arrive at the same times on
the runtimes as they calibrated themselves, under the same policies.  The order of the policies by P95 and the
error of each P95 are shown.  Nothing is fitted to the measured runs.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import fmean

import orjson
from rich.console import Console
from rich.table import Table

from launch.bench.compare import add_design_arguments, design_of
from launch.bench.peers.analysis import Measured
from launch.bench.peers.intervals import Interval
from launch.bench.peers.results import PeerResults
from launch.bench.peers.simulation import Prediction, predicted, same_order
from launch.lab.studies.base import table
from sched.errors import ConfigError

HELP = "the simulator against a comparison's real runs"

GOAL = 0.15
"""Of the error at P95."""
_WIDTH = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add_design_arguments(parser)
    add = parser.add_argument
    add("--results", type=Path, required=True, help="what launch.bench compare wrote, with the same settings")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Simulate, print tables and return the exit code."""
    design, systems = design_of(arguments), list(arguments.systems)
    for system in systems:
        system.check()
    results = PeerResults.at(arguments.results, design)
    measured = Measured(results, systems)
    if not measured.loads():
        raise ConfigError(
            f"--results {arguments.results}: no block that all systems have run: measure it first with "
            "launch.bench compare and the same settings",
            field="results",
        )
    work = results.work()
    found = {load: predicted(measured, work, load) for load in measured.loads()}
    console = Console(width=_WIDTH, highlight=False)
    for load, predictions in found.items():
        console.print(_table(load, load * work.capacity, predictions))
    errors = [abs(p.error.value) for predictions in found.values() for p in predictions]
    within = sum(error <= GOAL for error in errors)
    print(f"|error| at P95: mean {fmean(errors):.1%}, {within} of {len(errors)} within {GOAL:.0%}")
    if arguments.json:
        told = {f"{load:g}": [p.as_dict() for p in predictions] for load, predictions in found.items()}
        report = {"bench": "validate", "design": design.as_dict(), "loads": told}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _percent(error: Interval) -> str:
    if math.isnan(error.low):
        return f"{error.value:+.0%}"
    return f"{error.value:+.0%} ({error.low:+.0%} to {error.high:+.0%})"


def _table(load: float, rate: float, predictions: list[Prediction]) -> Table:
    order = same_order(predictions)
    shown = table(
        f"Load {load:g} ({rate:.3f} workflows/s): {order.agreeing} of {order.pairs} pairs in the same order "
        f"(Kendall's τ {order.tau:.2f}); of those whose intervals are apart, {order.clear_agreeing} of "
        f"{order.clear_pairs}",
        ("system",),
        ("real P95 (95 % interval)", "simulated", "error (95 % interval)", "real rank", "simulated"),
    )
    for p in sorted(predictions, key=lambda p: p.real.value):
        shown.add_row(
            p.system,
            p.real.shown(1) + " s",
            f"{p.simulated:.1f} s",
            _percent(p.error),
            str(order.real_rank[p.system]),
            str(order.simulated_rank[p.system]),
        )
    return shown
