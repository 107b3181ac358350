"""What one decision costs: from a call's arrival in the core to its dispatch, without any input or output.

The live dispatcher places, keys and sends a call while ``--outstanding`` others are at work on
``--runtimes`` made-up runtimes; then another one ends, so that their number stays.  Prompts have published
lengths (the longest 368 blocks); most of each is a template and a schema that others share, cached on some
runtimes.  Processor time counts: a decision waits for nothing, and what else the machine does is no part of
it.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from launch.arguments import count, listed
from launch.bench.cost.controller_cost import Spread, spread
from launch.shipped import ordering_registry, placement_registry
from sched import events as ev
from sched.dispatcher import Dispatcher
from sched.limits import CoreLimits
from sched.predict.speed import Speed
from sched.request import CallSpec, WorkflowSpec

HELP = "the core's own cost per decision"

_STAGES = (
    ("information_retrieval", 308, 213),
    ("generate_candidate", 11_748, 10_500),
    ("revise", 5_963, 4_500),
)
"""Stages with their prompt tokens and those that other workflows share."""
_DATABASES = 20
_SECONDS_APART = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCost:
    """Microseconds of processor time of one decision with ``placement`` and ``ordering`` on ``runtimes``."""

    placement: str
    ordering: str
    runtimes: int
    outstanding: int
    decisions: int
    microseconds: Spread


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add("--runtimes", type=listed(count), default=(8, 64), help="default: 8,64")
    add("--outstanding", type=int, default=200, help="calls at work (default: 200)")
    add("--decisions", type=int, default=2000, help="measured per row (default: 2000)")
    add(
        "--placement", type=listed(str), default=("sluice", "hexgen_flow", "cache_aware", "least_outstanding")
    )
    add("--ordering", default="adaptive")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    rows = [
        measure(placement, arguments.ordering, runtimes, arguments.outstanding, arguments.decisions)
        for runtimes in arguments.runtimes
        for placement in arguments.placement
    ]
    table = Table(
        title=f"One decision, {arguments.outstanding} calls outstanding, order {arguments.ordering}"
    )
    for name in ("runtimes", "placement", "P50 µs", "P90 µs", "P99 µs"):
        table.add_column(name, justify="left" if name == "placement" else "right")
    for row in rows:
        figures = (f"{value:.0f}" for value in asdict(row.microseconds).values())
        table.add_row(str(row.runtimes), row.placement, *figures)
    Console(highlight=False).print(table)
    if arguments.json:
        report = {"bench": "decide", "rows": [asdict(row) for row in rows]}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def measure(placement: str, ordering: str, runtimes: int, outstanding: int, decisions: int) -> DecisionCost:
    """Return the cost of ``decisions`` in a steady state.

    Raises:
        ConfigError: an unknown policy.
    """
    dispatcher = Dispatcher(
        placement_registry().load(placement),
        ordering_registry().load(ordering),
        CoreLimits(window_tokens=10**9),
    )
    rng = random.Random(0)
    for i in range(runtimes):
        speed = Speed(2e-4 * (1 + i % 3), 0.03 * (1 + i % 3), 6e-8, 0.003)
        dispatcher.handle(ev.RuntimeUp(f"r{i}", 160_000, 256, speed), 0.0)
    open_calls: list[tuple[int, str]] = []
    taken: list[float] = []
    gc.collect()
    for place, spec in enumerate(itertools.islice(_calls(rng), outstanding + decisions)):
        now = place * _SECONDS_APART
        workflow = WorkflowSpec(
            workflow_id=spec.workflow_id, slo_seconds=100.0, kind="text2sql", database="d"
        )
        dispatcher.handle(ev.WorkflowArrived(workflow), now)
        began = time.process_time()
        dispatcher.handle(ev.CallArrived(spec), now)
        seconds = time.process_time() - began
        open_calls.append((spec.call_id, spec.workflow_id))
        dispatcher.handle(ev.FirstTokenReported(spec.call_id, 1, 0), now)
        if place >= outstanding:
            taken.append(seconds * 1e6)
            call_id, workflow_id = open_calls.pop(rng.randrange(len(open_calls)))
            dispatcher.handle(ev.CallFinished(call_id, 1, spec.prompt_tokens // 2, 80, 0.3, 5.0), now)
            dispatcher.handle(ev.WorkflowEnded(workflow_id), now)
    return DecisionCost(
        placement=placement,
        ordering=ordering,
        runtimes=runtimes,
        outstanding=outstanding,
        decisions=decisions,
        microseconds=spread(taken),
    )


def _calls(rng: random.Random) -> Iterator[CallSpec]:
    """Yield calls of one workflow each, whose prompts share their beginnings with others."""
    for call_id in itertools.count(1):
        stage, tokens, shared = rng.choice(_STAGES)
        family = rng.randrange(_DATABASES) << 40 | tokens << 20
        blocks = [
            *range(family, family + shared // 32),
            *range(call_id << 60, (call_id << 60) + (tokens - shared) // 32),
        ]
        yield CallSpec(
            call_id=call_id,
            workflow_id=f"w{call_id}",
            stage=stage,
            prompt_tokens=tokens,
            max_new_tokens=1024,
            blocks=tuple(blocks),
        )
