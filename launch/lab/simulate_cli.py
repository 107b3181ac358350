"""``python -m launch.simulate TRACE…``: simulate policies on a cluster, alone or in a sweep.

The live dispatcher and ordering decide; only runtimes and time are simulated.  Lists are separated by
commas, and every combination is run.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from launch.arguments import count, listed
from launch.checks import checked
from launch.lab.cells import Cell
from launch.lab.sweep import STOPPED, sweep
from launch.lab.sweep_report import grouped, plot, table, write_json
from launch.server.config import DEFAULT_ADMISSION
from launch.shipped import admission_registry, ordering_registry, placement_registry
from sched.traces.trace_format import read_header

_DEFAULT_LOAD = (0.4,)
_TABLE_WIDTH = 180


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulations and return the exit code: 2 for wrong input."""
    arguments = _parser().parse_args(argv)
    return checked(lambda: _simulate(arguments), stopped=STOPPED)


def _simulate(arguments: argparse.Namespace) -> int:
    cells = _cells(arguments)
    for cell in cells:
        cell.check()
    results = sweep(cells, jobs=arguments.jobs, results=arguments.results)
    groups = grouped(cells, results)
    for trace in arguments.traces:
        print(f"{trace}: {read_header(trace).source}")
    Console(width=_TABLE_WIDTH, highlight=False).print(table(groups))
    if arguments.json:
        write_json(arguments.json, cells, results)
    if arguments.plot:
        plot(arguments.plot, groups)
    return 0


def _cells(arguments: argparse.Namespace) -> list[Cell]:
    rates: list[dict[str, float]]
    if arguments.max_rate:
        rates = [{}]
    elif arguments.rate:
        rates = [{"rate": rate} for rate in arguments.rate]
    else:
        rates = [{"load": load} for load in arguments.load or _DEFAULT_LOAD]
    axes = (
        arguments.traces,
        arguments.cluster or ["hetero1"],
        arguments.runtime_config,
        rates,
        arguments.placement,
        arguments.ordering,
        arguments.admission,
        range(arguments.seeds),
    )
    common = {name: getattr(arguments, name) for name in _COMMON}
    return [
        Cell(
            trace=str(trace),
            cluster=cluster,
            runtime_config=config,
            placement=placement,
            ordering=ordering,
            admission=admission,
            seed=seed,
            **rate,
            **common,
        )
        for trace, cluster, config, rate, placement, ordering, admission, seed in itertools.product(*axes)
    ]


_COMMON = (
    "workflows",
    "arrivals",
    "slo_scale",
    "max_running_requests",
    "kv_scale",
    "clip_max_new_tokens",
    "window_tokens",
    "early_ending",
    "calibrated",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.simulate", description=__doc__)
    add = parser.add_argument
    add("traces", nargs="+", type=Path, metavar="TRACE", help="JSONL traces (traces/README.md)")
    placements, orderings = placement_registry().names(), ordering_registry().names()
    add("--placement", type=listed(str), default=["least_work"], help=f"of {', '.join(placements)}")
    add("--ordering", type=listed(str), default=["fcfs"], help=f"of {', '.join(orderings)}")
    admissions = f"of {', '.join(admission_registry().names())} ({DEFAULT_ADMISSION})"
    add("--admission", type=listed(str), default=[DEFAULT_ADMISSION], help=admissions)
    add(
        "--cluster",
        action="append",
        help='hetero1 (default), hetero2, GPUs such as "a100,a100,l40s" or calibrations '
        '("file:traces/calibration_cpu.json"); may be repeated',
    )
    add(
        "--runtime-config",
        type=listed(str),
        default=["default"],
        help="default (SGLang's), prefill2048, mixed2048, ridge, ridge0.8",
    )
    rates = parser.add_mutually_exclusive_group()
    rates.add_argument("--load", type=listed(float), help="rate over the cluster's work bound (0.4)")
    rates.add_argument("--rate", type=listed(float), help="workflows per second")
    rates.add_argument(
        "--max-rate", action="store_true", help="search the highest rate at which 95 %% meet the SLO"
    )
    _add_workload(parser)
    add("--early-ending", action="store_true", help="decided joins cancel the rest")
    add(
        "--uncalibrated",
        dest="calibrated",
        action="store_false",
        help="the dispatcher learns each runtime's speed from nothing",
    )
    add("--jobs", type=count, default=os.cpu_count() or 1, help="processes (one per core)")
    add("--results", type=Path, help="JSONL file that keeps finished cells; a sweep resumes from it")
    add("--json", type=Path, help="write all figures there")
    add("--plot", type=Path, help="draw P95 and attainment there (needs matplotlib)")
    return parser


def _add_workload(parser: argparse.ArgumentParser) -> None:
    """Add what is run and what the runtimes allow."""
    add = parser.add_argument
    add("--seeds", type=count, default=3, help="runs per point (3)")
    add("--workflows", type=count, default=400, help="per run, the first tenth not counted (400)")
    add("--arrivals", default="poisson", help="poisson (default), gamma:CV, or trace: the trace's own")
    add("--slo-scale", type=float, default=2.0, help="S: deadline over expected seconds (2)")
    add("--max-running-requests", type=count, default=256)
    add("--kv-scale", type=float, default=1.0, help="scales the KV caches (1)")
    add(
        "--clip-max-new-tokens",
        type=count,
        default=4096,
        help="SGLang's SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION: output tokens reserved at most (4096)",
    )
    add(
        "--window-tokens",
        type=int,
        default=0,
        help="sent to a runtime ahead of its first tokens (two chunks)",
    )
