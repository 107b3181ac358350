"""Sluice and its peers on one pair of unlike runtimes: the same workflows, at the same times.

Peers are stock SGLang servers behind the package ``sglang-router``, and Sluice with other policies.  The
runtimes are those of ``--config``, or two CPU runtimes, the second slowed down; runs of the systems
alternate.  ``--results`` keeps what is done, and the same command goes on from it.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from launch.arguments import listed
from launch.bench.cost.probe_load import BenchError
from launch.bench.overhead import processor
from launch.bench.peers.analysis import Measured, as_dict
from launch.bench.peers.comparison_report import tables
from launch.bench.peers.design import Design, Run, runs
from launch.bench.peers.doors import outside_seconds
from launch.bench.peers.pair import Pair, pair_config, running_pair
from launch.bench.peers.plots import draw
from launch.bench.peers.results import PeerResults
from launch.bench.peers.systems import OURS, SYSTEMS, System
from launch.bench.replay.outcome import WorkflowOutcome
from launch.bench.replay.player import Patience, PlayedItem, play
from launch.server.child import ChildError
from sched.errors import ConfigError
from sched.traces.trace_format import read_header

HELP = "Sluice beside SGLang's router and other policies, on real runtimes"

_TRACE = Path("traces/hexgen_flow_financial.jsonl")
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"loads": (0.6,), "blocks": 1, "workflows": 10},
    "short": {"loads": (0.75, 1.0, 1.25), "blocks": 2, "workflows": 100},
    "full": {"loads": (0.5, 0.75, 1.0, 1.25), "blocks": 4, "workflows": 100},
}
_MINUTES = {"short": 44.0}
_TAIL_SECONDS = 8.0
"""What a run is expected to take beyond its last arrival, with the change of systems."""
_WIDTH = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add_design_arguments(parser)
    add = parser.add_argument
    add("--minutes", type=float, help="begin no run that would end later (44, with --full no limit)")
    add("--results", type=Path, help="JSONL file that keeps finished runs; a comparison resumes from it")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    add("--plots", type=Path, metavar="FOLDER", help="draw SLO curves, latency and a Gantt chart there")


def add_design_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is run, for :func:`design_of`."""
    add = parser.add_argument
    add("trace", type=Path, nargs="?", default=_TRACE, help=f"JSONL trace ({_TRACE})")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="preset", action="store_const", const="quick", help="a few minutes")
    size.add_argument("--full", dest="preset", action="store_const", const="full", help="hours, ≥ 300 a cell")
    add("--systems", type=listed(System), default=SYSTEMS, help="router:POLICY, sluice:PLACEMENT+ORDERING, …")
    add("--loads", type=listed(float), help="over what runtimes do one call at a time (0.75,1.0,1.25)")
    add("--blocks", type=int, help="runs per system and load, each with other arrivals")
    add("--workflows", type=int, help="per run; the first tenth is not counted")
    add("--arrivals", default="poisson", help="poisson (default), gamma:CV, or trace: the trace's own")
    add("--token-scale", type=float, default=0.05, help="times every length in tokens (0.05)")
    add("--slo-scale", type=float, default=3.0, help="S: deadline over expected seconds (3)")
    add("--config", metavar="FILE.toml", help="a server's settings: its runtimes are used (on a GPU)")
    add("--slowdown", type=float, default=3.0, help="of the second runtime (3)")
    add("--model-path", help="the model's folder (the embedded one)")
    parser.set_defaults(preset="short")


def run(arguments: argparse.Namespace) -> int:
    """Measure what is missing, print tables and return the exit code."""
    design, systems = design_of(arguments), list(arguments.systems)
    for system in systems:
        system.check()
    results = PeerResults.at(arguments.results, design)
    missing = [told for told in runs(design, systems) if told.key not in results.outcomes]
    print(f"{design.trace}: {read_header(Path(design.trace)).source}")
    if missing:
        if find_spec("sglang_router") is None and any(told.system.is_router for told in missing):
            message = "--systems: the router is not installed: pip install sglang-router==0.3.2"
            raise ConfigError(message, field="systems")
        try:
            minutes = arguments.minutes or _MINUTES.get(arguments.preset, math.inf)
            asyncio.run(_measure(results, missing, time.monotonic() + 60 * minutes))
        except (BenchError, ChildError) as error:
            print(f"the measurement failed: {error}", file=sys.stderr)
            return 1
        except asyncio.CancelledError:
            return 128 + signal.SIGTERM
    measured = Measured(results, systems)
    if not measured.loads():
        print("no block has been run by all systems yet: the same command goes on", file=sys.stderr)
        return 1
    show(measured, results, arguments.json, arguments.plots)
    return 0


def design_of(arguments: argparse.Namespace) -> Design:
    """Return what the flags ask for; the preset's where they don't say.

    Raises:
        ConfigError: a number makes no sense; the message names its flag.
    """
    given = {n: getattr(arguments, n) for n in ("loads", "blocks", "workflows")}
    given["loads"] = given["loads"] and tuple(sorted(given["loads"]))
    sizes = PRESETS[arguments.preset] | {n: value for n, value in given.items() if value is not None}
    for name, value in (*sizes.items(), ("slo_scale", arguments.slo_scale)):
        if min(value if isinstance(value, tuple) else (value,)) <= 0:
            raise ConfigError(f"--{name.replace('_', '-')} must be above 0", field=name)
    if arguments.slowdown < 1:
        raise ConfigError("--slowdown must be at least 1", field="slowdown")
    return Design(
        trace=str(arguments.trace),
        arrivals=arguments.arrivals,
        token_scale=arguments.token_scale,
        slo_scale=arguments.slo_scale,
        slowdown=arguments.slowdown,
        model_path=arguments.model_path,
        config=arguments.config,
        **sizes,
    )


async def _measure(results: PeerResults, missing: Sequence[Run], until: float) -> None:
    """Do the ``missing`` runs, as far as they will be done at ``until`` (of the monotonic clock)."""
    design = results.design
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # the servers end with it
    async with running_pair(pair_config(design)) as pair:
        if not results.calibrations:
            results.begin(_machine(pair), pair.calibrations, await outside_seconds(pair))
        work = results.work()
        with _progress() as progress:
            task = progress.add_task("", total=len(missing))
            for done, told in enumerate(missing):
                items = work.items(told.load, told.block)
                if time.monotonic() + items[-1].workflow.arrival + _TAIL_SECONDS > until:
                    left = len(missing) - done
                    progress.print(f"the time is over, {left} runs are missing: the same command goes on")
                    return
                progress.update(task, description=told.key)
                results.add(told, await _run(pair, told.system, items))
                progress.advance(task)


async def _run(pair: Pair, system: System, items: Sequence[PlayedItem]) -> list[WorkflowOutcome]:
    async with pair.serving(system) as endpoint:
        return await play(items, endpoint, Patience(), prefix=f"{uuid.uuid4().hex[:8]}:")


def show(measured: Measured, results: PeerResults, json: Path | None, plots: Path | None) -> None:
    """Print the tables; write figures and plots where asked to.

    Raises:
        ConfigError: a file can't be written.
    """
    capacity = results.work().capacity
    print(
        f"{results.machine}; {results.design.runtimes}, "
        f"tokens × {results.design.token_scale:g}; a load of 1 is {capacity:.3f} workflows/s"
    )
    console = Console(width=_WIDTH, highlight=False)
    told = as_dict(measured, OURS, capacity)
    for shown in tables(told):
        console.print(shown)
    try:
        if json:
            report = {"bench": "compare", "machine": results.machine, "capacity": capacity}
            json.write_bytes(orjson.dumps(report | told, option=orjson.OPT_INDENT_2) + b"\n")
        if plots:
            print("\n".join(map(str, draw(plots, measured, OURS, capacity))))
    except OSError as error:
        raise ConfigError(f"{error.filename} can't be written: {error.strerror}") from error


def _machine(pair: Pair) -> dict[str, Any]:
    packages = {name: version(name) for name in ("sglang", "sglang-router", "torch")}
    devices = sorted({str(found.key["device"]) for found in pair.calibrations.values()})
    return {"devices": devices, "processor": processor(), "cores": len(os.sched_getaffinity(0)), **packages}


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)
