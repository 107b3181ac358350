"""What prefilling beside decoding gives: real workflows on real runtimes, with several prefill budgets.

Closed-loop clients ask questions of the demo database; the server is started anew for each budget.  0 is
SGLang's default: decoding stops during a prefill.  ``auto`` is what the calibration chooses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from launch.arguments import count, listed, positive
from launch.bench.closed_loop import live_stand
from launch.bench.cost.probe_load import BenchError
from launch.server.child import ChildError
from launch.server.config import ServerConfig
from sched.predict.speed import Speed
from sched.sim.figures import percentile

HELP = "what prefilling beside decoding (mixed chunks) gives"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add(
        "--budgets",
        type=listed(_budget),
        default=(None, 0, 64, 256),
        metavar="N,…",
        help="default: auto,0,64,256",
    )
    add("--clients", type=count, default=6, help="questions in work at a time (default: 6)")
    add("--seconds", type=positive, default=60.0, help="how long they ask, per budget (default: 60)")
    add("--placement", default="sluice", help="the placement policy (default: sluice)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    table = Table(title=f"{arguments.clients} questions at a time, {arguments.seconds:.0f} s per budget")
    for name in ("prefill budget", "chunks", "questions/s", "P50 s", "P95 s"):
        table.add_column(name, justify="right")
    workers: Any = []
    try:
        for budget in arguments.budgets:
            workflows, workers = uvloop.run(_measure(arguments, budget))
            seconds = [float(workflow["seconds"]) for workflow in workflows]
            table.add_row(
                "auto" if budget is None else str(budget),
                ", ".join(sorted({_chunks(worker) for worker in workers})),
                f"{len(seconds) / arguments.seconds:.2f}",
                f"{percentile(seconds, 0.5):.2f}",
                f"{percentile(seconds, 0.95):.2f}",
            )
    except (BenchError, ChildError) as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    console = Console(highlight=False, width=110 if not sys.stdout.isatty() else None)
    console.print(table)
    for worker in workers:
        console.print(f"{worker['name']}: {_ridge(worker['speed'])}", soft_wrap=True)
    return 0


async def _measure(
    arguments: argparse.Namespace, budget: int | None
) -> tuple[Sequence[Mapping[str, Any]], Any]:
    config = ServerConfig(placement=arguments.placement, admission="always", prefill_budget=budget)
    async with live_stand(config) as stand:
        workflows = await stand.ask(arguments.clients, arguments.seconds)
        return workflows, (await stand.get("/workers"))["workers"]


def _chunks(worker: Mapping[str, Any]) -> str:
    return f"{worker['chunk_tokens']}{' mixed' if worker['mixed'] else ''}"


def _ridge(described: Mapping[str, float]) -> str:
    speed = Speed(**{name: described[name] for name in Speed.__dataclass_fields__})
    return (
        f"ridge at {speed.ridge_tokens:.0f} tokens; a mixed pass hides {speed.hidden:.0%} of its smaller "
        f"part; a pass costs {speed.overhead * 1e3:.1f} ms whatever it does"
    )


def _budget(text: str) -> int | None:
    return None if text == "auto" else int(text)
