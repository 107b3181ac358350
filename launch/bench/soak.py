"""Hundreds of thousands of calls through a real controller while its runtimes misbehave.

Controller, core and links are the real ones; the runtimes compute nothing.  They die, fall silent, come back
and answer late or twice; clients disconnect, cancel workflows, and ask for more than fits.  Every call must
end once, with its own answer or a clear error, and nothing may pile up: after each round, when nothing runs,
memory, tasks, files and threads are counted.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import orjson
import uvloop

from launch.arguments import at_least
from launch.bench.cost.probe_load import BenchError
from launch.bench.endurance.soak_run import SoakPlan, SoakReport, soak
from launch.bench.endurance.steadiness import SoakSample, settled, slope

HELP = "whether calls are lost, run twice or leave something behind, under faults"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add, plan = parser.add_argument, SoakPlan()
    for name, text in (
        ("calls", "calls in all"),
        ("rounds", "samples taken, one after each round"),
        ("clients", "workflows side by side"),
        ("runtimes", "runtimes"),
    ):
        default = getattr(plan, name)
        least = 5 if name == "rounds" else 1
        add(f"--{name}", type=at_least(least), default=default, help=f"{text} (default: {default})")
    add("--seed", type=int, default=0, help="of all chances (default: 0)")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Soak, print what came of it, and return the exit code: 1 if a call was lost or run twice."""
    plan = SoakPlan(
        calls=arguments.calls,
        rounds=arguments.rounds,
        clients=arguments.clients,
        runtimes=arguments.runtimes,
        seed=arguments.seed,
    )
    try:
        report = uvloop.run(soak(plan, _show_sample))
    except BenchError as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    _show(report)
    if arguments.json:
        figures = {"bench": "soak", "plan": asdict(plan), "report": asdict(report)}
        arguments.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n")
    return 0 if report.is_sound else 1


def _show_sample(one: SoakSample) -> None:
    print(
        f"{one.calls:>9,} calls: {one.resident_bytes / 2**20:.1f} MiB resident, {one.blocks:,} blocks, "
        f"{one.tasks} tasks, {one.files} files, {one.threads} threads",
        flush=True,
    )


def _show(report: SoakReport) -> None:
    print(f"{report.calls:,} calls in {report.seconds:.0f} s ({report.calls / report.seconds:,.0f}/s)")
    print(f"lost {report.lost}, run twice {report.run_twice}, sent twice {report.sent_twice}")
    for what in ("outcomes", "workflows", "faults"):
        print(f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in getattr(report, what).items()))
    counted = settled(report.samples)
    print(
        f"memory, by a linear fit over the last {len(counted)} of {len(report.samples)} rounds: "
        f"{slope(report.samples, 'resident_bytes'):+,.0f} bytes and "
        f"{slope(report.samples, 'blocks'):+.2f} blocks per 1,000 calls"
    )
    for name in ("tasks", "files", "threads"):
        values = [getattr(one, name) for one in report.samples]
        print(
            f"{name}: {values[0]} after the first round, {values[-1]} after the last, at most {max(values)}"
        )
