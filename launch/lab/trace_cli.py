"""``python -m launch.trace``: convert, generate and describe workflow traces (``traces/README.md``)."""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from statistics import mean, pstdev

from rich.console import Console
from rich.table import Table

from launch.checks import checked
from sched.errors import ConfigError
from sched.sim.bounds import base_seconds, rate_bound, stage_seconds
from sched.sim.figures import percentile
from sched.sim.hardware import CLUSTERS, parse_cluster
from sched.sim.prompt_chains import shared_tokens
from sched.traces.hexgen import convert
from sched.traces.synthetic import Shape, generate
from sched.traces.trace_format import TraceWorkflow, read_header, read_trace, write_trace


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code: 2 for wrong input."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    return checked(lambda: arguments.run(arguments) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.trace", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="convert|generate|describe")
    to_jsonl = commands.add_parser("convert", help="HexGen-Flow's format to JSONL")
    to_jsonl.add_argument("input", type=Path, help="JSON file in HexGen-Flow's format")
    to_jsonl.add_argument("output", type=Path)
    to_jsonl.add_argument("--source", required=True, help="where the trace is from, written into it")
    to_jsonl.add_argument("--database", default="", help="name of its database (default: the file's name)")
    to_jsonl.add_argument("--rate", type=float, default=0.5, help="workflows per second (default: 0.5)")
    to_jsonl.add_argument("--seed", type=int, default=0)
    to_jsonl.set_defaults(run=_convert)

    made = commands.add_parser("generate", help="a trace from published statistics; --help lists its knobs")
    made.add_argument("output", type=Path)
    for knob in fields(Shape):
        flag, default = "--" + knob.name.replace("_", "-"), knob.default
        made.add_argument(flag, type=type(default), default=default, help=f"default: {default}")
    made.set_defaults(run=_generate)

    described = commands.add_parser("describe", help="what a trace holds and what it asks of a cluster")
    described.add_argument("trace", type=Path)
    described.add_argument("--cluster", action="append", help="default: " + ", ".join(CLUSTERS))
    described.set_defaults(run=_describe)
    return parser


def _convert(arguments: argparse.Namespace) -> None:
    if arguments.rate <= 0:
        raise ConfigError(f"--rate must be above 0, not {arguments.rate}", field="rate")
    database = arguments.database or arguments.input.stem
    workflows = convert(arguments.input, rate=arguments.rate, seed=arguments.seed, database=database)
    _write(arguments.output, arguments.source, workflows)


def _generate(arguments: argparse.Namespace) -> None:
    shape = Shape(**{knob.name: getattr(arguments, knob.name) for knob in fields(Shape)})
    _write(arguments.output, f"generated: {shape}", generate(shape))


def _write(path: Path, source: str, workflows: list[TraceWorkflow]) -> None:
    try:
        count = write_trace(path, source, workflows)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", field="output") from error
    print(f"{path}: {count} workflows, {sum(len(w.calls) for w in workflows)} calls")


def _describe(arguments: argparse.Namespace) -> None:
    workflows = read_trace(arguments.trace)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"source: {read_header(arguments.trace).source}")
    databases, tenants = {w.database for w in workflows}, {w.tenant for w in workflows}
    arrivals = sorted(w.arrival for w in workflows)
    between = [b - a for a, b in itertools.pairwise(arrivals)]
    variation = pstdev(between) / mean(between) if between and mean(between) else 0.0
    rate = 1 / mean(between) if between and mean(between) else 0.0
    console.print(
        f"{len(workflows)} workflows, {len(databases)} databases, {len(tenants)} tenants; arrivals "
        f"{rate:.3f}/s, coefficient of variation {variation:.2f}"
    )
    console.print(_stage_table(workflows))
    for name in arguments.cluster or CLUSTERS:
        gpus = parse_cluster(name)
        stages = stage_seconds(workflows, gpus)
        bases = [base_seconds(w, stages) for w in workflows]
        console.print(
            f"{name}: at most {rate_bound(workflows, gpus):.3f} workflows/s (work bound); expected seconds "
            f"of a workflow alone: mean {mean(bases):.1f}, P95 {percentile(bases, 0.95):.1f}"
        )


def _stage_table(workflows: Sequence[TraceWorkflow]) -> Table:
    rows: dict[str, list[tuple[int, int, int, float]]] = defaultdict(list)
    for call, cached in shared_tokens(workflows):
        rows[call.stage].append((call.prompt_tokens, cached, call.output, call.sql))
    table = Table("stage", "calls/workflow", "prompt", "shared", "output", "SQL s")
    for stage, calls in rows.items():
        prompt, cached, output, sql = (mean(column) for column in zip(*calls, strict=True))
        table.add_row(
            stage,
            f"{len(calls) / len(workflows):.2f}",
            f"{prompt:.0f}",
            f"{cached / prompt:.0%}",
            f"{output:.0f}",
            f"{sql:.2f}",
        )
    return table
