"""``python -m launch.shift TRACE``: what live tuning gives when the load shifts, in simulation.

The load goes through phases, by default 10 %, 60 %, a burst of 150 % and 10 % again.  Each value of a
one-knob policy's grid runs unchanged, of a policy with more knobs the default (and its neighbours); the live
tuner, the same code as in a server, starts from the default.  The best of each phase, which nobody knows in
advance, shows how much could be gained at most.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import orjson
from rich.console import Console
from rich.table import Table

from launch.arguments import count, positive
from launch.checks import checked
from launch.lab.shifting import Shift, Shifted
from launch.shipped import placement_registry
from sched.errors import ConfigError
from sched.tune.tuner import MOST_STEPS, PolicySetting, grid, knobs_of, neighbours

LIVE = "live tuning"
BEST = "the best of each phase"
_PHASES = "0.1:100,0.6:200,1.5:60,0.1:100"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code: 2 for wrong input."""
    arguments = _parser().parse_args(argv)
    return checked(lambda: _shift(arguments))


def _shift(arguments: argparse.Namespace) -> int:
    runs = _runs(arguments)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=arguments.jobs, mp_context=context) as pool:
        results = list(pool.map(run, [shift for _, shift in runs]))
    names = list(dict.fromkeys(name for name, _ in runs))
    rows = {name: [r for (n, _), r in zip(runs, results, strict=True) if n == name] for name in names}
    _show(rows, arguments.phases)
    if arguments.json:
        tails = {name: [result.tails for result in found] for name, found in rows.items()}
        changes = [[asdict(c) for c in result.changes] for result in rows[LIVE]]
        arguments.json.write_bytes(orjson.dumps({"tails": tails, "changes": changes}) + b"\n")
    return 0


def run(shift: Shift) -> Shifted:
    """Return ``shift.run()``; what a process executes."""
    return shift.run()


def _runs(arguments: argparse.Namespace) -> list[tuple[str, Shift]]:
    policy = placement_registry().load(arguments.placement)
    default, knobs = PolicySetting.of(arguments.placement, policy), knobs_of(policy)
    if not knobs:
        raise ConfigError(f"--placement {arguments.placement} names no knobs to tune", field="placement")
    settings = [default]
    if len(knobs) == 1:
        (name, knob), *_ = knobs.items()
        settings = [default.with_value(name, round(value, 6)) for value in grid(knob)]
    elif arguments.neighbours:
        settings += neighbours(default, knobs, steps=(-MOST_STEPS, MOST_STEPS))
    found = []
    for seed in range(arguments.seeds):
        common = {"trace": str(arguments.trace), "phases": arguments.phases, "cluster": arguments.cluster}
        common |= {"runtime_config": arguments.runtime_config, "ordering": arguments.ordering, "seed": seed}
        found += [(str(s), Shift(placement=str(s), tuned=False, **common)) for s in settings]
        found.append((LIVE, Shift(placement=str(default), tuned=True, **common)))
    return found


def _show(rows: dict[str, list[Shifted]], phases: Sequence[tuple[float, int]]) -> None:
    table = Table(title="stretch of the slowest fifth, by phase")
    table.add_column("setting", overflow="fold")
    for load, workflows in phases:
        table.add_column(f"{load:.0%}\n{workflows} workflows", justify="right")
    for name in ("geometric\nmean", "changes"):
        table.add_column(name, justify="right")
    shown = {name: _means(results) for name, results in rows.items()}
    fixed = [tails for name, tails in shown.items() if name != LIVE]
    shown[BEST] = [min(column) for column in zip(*fixed, strict=True)]
    for name, tails in shown.items():
        overall = math.exp(mean(map(math.log, tails)))
        changes = f"{mean(len(r.changes) for r in rows[name]):.1f}" if name in rows else ""
        figures = (*(f"{t:.2f}" for t in tails), f"{overall:.3f}", changes)
        table.add_row(name, *figures, style="bold" if name == LIVE else None)
    Console(highlight=False, width=110 if not sys.stdout.isatty() else None).print(table)


def _means(results: Sequence[Shifted]) -> list[float]:
    """Return the tail of each phase, the mean over the seeds."""
    return [mean(column) for column in zip(*(result.tails for result in results), strict=True)]


def _phases(text: str) -> tuple[tuple[float, int], ...]:
    pairs = [part.partition(":") for part in text.split(",")]
    return tuple((positive(load), count(workflows)) for load, _, workflows in pairs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.shift", description=__doc__)
    add = parser.add_argument
    add("trace", type=Path, help="a JSONL trace (traces/README.md)")
    add("--placement", default="hexgen_flow", help="the policy that is tuned (hexgen_flow)")
    add("--ordering", default="urgency", help="the ordering policy (urgency)")
    add("--cluster", default="hetero1", help="as for launch.simulate (hetero1)")
    add("--runtime-config", default="default", help="as for launch.simulate (default)")
    add("--phases", type=_phases, default=_phases(_PHASES), help=f"LOAD:WORKFLOWS,… ({_PHASES})")
    add("--neighbours", action="store_true", help="with several knobs: each three grid steps off, too")
    add("--seeds", type=count, default=3, help="runs per setting (3)")
    add("--jobs", type=count, default=os.cpu_count() or 1, help="processes (one per core)")
    add("--json", type=Path, help="write all figures and the changes there")
    return parser
