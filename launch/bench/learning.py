"""How well a server predicts its calls while it learns: real workflows on real runtimes, under load.

Closed-loop clients ask questions of the demo database, or play the workflows of a trace, each with a question
of its own; its calls end at their lengths, which the server isn't told.  For every call the prediction at its
sending is compared with what came: seconds from sending to end, cached tokens (as a share of the prompt),
output tokens.  The first half of the time is shown apart from the second, and what is left of the error of
the seconds when outputs are as long as expected: output lengths are the model's own affair.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from launch.bench.closed_loop import calls_of, live_stand
from launch.bench.cost.probe_load import BenchError
from launch.bench.replay.token_prompts import scaled
from launch.server.child import ChildError
from launch.server.config import RuntimeConfig, ServerConfig
from sched.predict.accuracy import Accuracy, Errors
from sched.traces.trace_format import read_trace

HELP = "how well service times, cached and output tokens are predicted under load"

_AS_LONG = 0.1
"""An output is as long as expected if it is off by no more than this share."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add("--clients", type=int, default=6, help="questions in work at a time (default: 6)")
    add("--seconds", type=float, default=120.0, help="how long they ask (default: 120)")
    add("--trace", type=Path, help="play its workflows instead (JSONL, traces/README.md)")
    add("--token-scale", type=float, default=0.125, help="times every length of the trace (default: 0.125)")
    add("--placement", default="sluice", help="the placement policy (default: sluice)")
    add("--slowdown", type=float, default=1.0, help="slows the second of two runtimes down (default: 1)")
    add("--model-path", metavar="FOLDER", help="the model (without GPU: the embedded one)")
    add("--json", type=Path, metavar="FILE", help="write the figures and the runtimes' speeds to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    try:
        calls, workers = uvloop.run(_measure(arguments))
    except (BenchError, ChildError) as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    half = len(calls) // 2
    parts = {"first half": calls[:half], "second half": calls[half:]}
    for runtime in sorted({call["runtime"] for call in calls}):
        parts[f"second half, {runtime}"] = [c for c in calls[half:] if c["runtime"] == runtime]
    parts["second half, outputs as expected"] = [c for c in calls[half:] if _as_long(c)]
    rows = {name: errors(part) for name, part in parts.items() if part}
    _show(rows, len(calls), arguments)
    if arguments.json:
        figures = {name: {what: a.as_dict() for what, a in row.items()} for name, row in rows.items()}
        speeds = {worker["name"]: worker["speed"] for worker in workers["workers"]}
        report = {"bench": "learning", "errors": figures, "speeds": speeds, "calls": calls}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


async def _measure(arguments: argparse.Namespace) -> tuple[list[Mapping[str, Any]], Any]:
    runtimes: tuple[RuntimeConfig, ...] = ()
    if arguments.slowdown > 1:
        runtimes = RuntimeConfig(name="plain"), RuntimeConfig(name="slow", slowdown=arguments.slowdown)
    config = ServerConfig(
        placement=arguments.placement,
        admission="always",
        model_path=arguments.model_path,
        runtime=runtimes,
    )
    trace = scaled(read_trace(arguments.trace), arguments.token_scale) if arguments.trace else []
    async with live_stand(config) as stand:
        if trace:
            workflows = await stand.replay(trace, arguments.clients, arguments.seconds)
        else:
            workflows = await stand.ask(arguments.clients, arguments.seconds)
        return calls_of(workflows), await stand.get("/workers")


def errors(calls: Sequence[Mapping[str, Any]]) -> dict[str, Accuracy]:
    """Return how far off the predictions of ``calls`` (entries of a timeline) were."""
    service, cached, output = Errors(len(calls)), Errors(len(calls)), Errors(len(calls))
    for call in calls:
        decision = call["decision"]
        service.add(decision["predicted_seconds"], call["total_seconds"] - call["waited_seconds"])
        cached.add(decision["predicted_cached_tokens"], call["cached_tokens"], call["prompt_tokens"])
        output.add(decision["predicted_output_tokens"], call["output_tokens"])
    return {"service": service.accuracy(), "cached": cached.accuracy(), "output": output.accuracy()}


def _as_long(call: Mapping[str, Any]) -> bool:
    expected, real = float(call["decision"]["predicted_output_tokens"]), int(call["output_tokens"])
    return abs(expected - real) <= _AS_LONG * real


def _show(rows: Mapping[str, Mapping[str, Accuracy]], calls: int, arguments: argparse.Namespace) -> None:
    table = Table(title=f"|predicted − real|, {calls} calls, {arguments.clients} questions at a time")
    table.add_column("calls")
    for name in ("n", "service\nP50 s", "P90 s", "P50", "P90", "cached\nP50 tok", "P50", "P90"):
        table.add_column(name, justify="right")
    for name in ("output\nP50 tok", "P50", "P90"):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        service, cached, output = row["service"], row["cached"], row["output"]
        table.add_row(
            name,
            str(service.predictions),
            *(f"{x:.3f}" for x in (service.median or 0.0, service.p90 or 0.0)),
            *_shares(service),
            f"{cached.median:.0f}",
            *_shares(cached),
            f"{output.median:.1f}",
            *_shares(output),
        )
    Console(highlight=False, width=120 if not sys.stdout.isatty() else None).print(table)


def _shares(accuracy: Accuracy) -> tuple[str, str]:
    return f"{accuracy.median_share:.0%}", f"{accuracy.p90_share:.0%}"
