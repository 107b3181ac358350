"""Replays a trace in real time against Sluice or any SGLang or OpenAI endpoint: latency from the schedule.

Arrivals are open loop: every workflow begins when it is due, whatever the server does, and its latency counts
from then.  Its calls follow one another as in the trace, their SQL time is waited, and every output is forced
to its length.  Prompts are token ids that only the trace tells: the same work for every server.
"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import orjson
from rich.console import Console

from launch.bench.replay.endpoint import APIS, CallError, Endpoint
from launch.bench.replay.outcome import WorkflowOutcome, recording
from launch.bench.replay.player import Patience, PlayedItem, play, priced
from launch.bench.replay.replay_report import figures, stage_table, summary_line
from launch.bench.replay.token_prompts import IDS, scaled
from sched.errors import ConfigError
from sched.sim.figures import summarise
from sched.traces.arrivals import draw
from sched.traces.trace_format import TraceWorkflow, read_header, read_trace

HELP = "replay a trace against a server, Sluice or another"

_LONE_CALLS = 3
_SLO_SCALE = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add("trace", type=Path, help="JSONL trace (traces/README.md)")
    add("--url", required=True, help="the server, such as http://127.0.0.1:30000")
    add("--api", choices=APIS, default="sluice", help="sluice: SGLang's, with each call's workflow (default)")
    add("--model", help="for OpenAI's API (default: the server's first)")
    add("--header", action="append", default=[], metavar="NAME: VALUE", help="sent with every request")
    add("--rate", type=float, required=True, help="workflows per second")
    add("--workflows", type=int, default=100, help="how many; the first tenth is not counted (100)")
    add("--arrivals", default="poisson", help="poisson (default), gamma:CV, or trace: the trace's own")
    add("--seed", type=int, default=0)
    add("--token-scale", type=float, default=1.0, help="times every length in tokens (1)")
    add("--slo-scale", type=float, default=_SLO_SCALE, help="S: deadline over expected seconds (5)")
    add("--stage-seconds", type=Path, help='expected seconds per stage, {"stage": 1.5, …}; else measured')
    add("--call-timeout", type=float, default=Patience().call_seconds, help="seconds (300)")
    add("--workflow-timeout", type=float, default=Patience().workflow_seconds, help="seconds (600)")
    add("--json", type=Path, metavar="FILE", help="write everything to FILE, too, each call included")


def run(arguments: argparse.Namespace) -> int:
    """Replay, print figures and return the exit code: 1 if no workflow ended well."""
    _check(arguments)
    trace = scaled(read_trace(arguments.trace), arguments.token_scale)
    workflows = draw(trace, arguments.workflows, arguments.rate, arguments.arrivals, arguments.seed)
    print(f"{arguments.trace}: {read_header(arguments.trace).source}")
    print(f"{len(workflows)} workflows at {arguments.rate:g}/s, tokens × {arguments.token_scale:g}")
    stages, outcomes = asyncio.run(_measured(arguments, trace, workflows))
    found = figures(outcomes, arguments.slo_scale)
    summary = summarise(recording(outcomes), arguments.slo_scale)
    Console(highlight=False).print(stage_table(summary, "Seconds per call"))
    print(summary_line(found))
    if arguments.json:
        _write(arguments, stages, found, outcomes)
    return 0 if found["failed"] < found["workflows"] else 1


def _check(arguments: argparse.Namespace) -> None:
    for name in ("rate", "workflows", "slo_scale", "call_timeout", "workflow_timeout"):
        if not getattr(arguments, name) > 0:
            raise ConfigError(f"--{name.replace('_', '-')} must be above 0", field=name)
    if not arguments.url.startswith(("http://", "https://")):
        raise ConfigError("--url must begin with http:// or https://", field="url")


async def _measured(
    arguments: argparse.Namespace, trace: Sequence[TraceWorkflow], workflows: Sequence[TraceWorkflow]
) -> tuple[dict[str, float], list[WorkflowOutcome]]:
    headers = dict(_header(text) for text in arguments.header)
    endpoint = Endpoint(arguments.url, arguments.api, model=arguments.model, headers=headers)
    patience = Patience(call_seconds=arguments.call_timeout, workflow_seconds=arguments.workflow_timeout)
    try:
        stages = (
            _stages_in(arguments.stage_seconds, trace)
            if arguments.stage_seconds
            else await lone_stages(trace, endpoint, patience)
        )
        items: list[PlayedItem] = priced(workflows, stages, arguments.slo_scale)
        return stages, await play(items, endpoint, patience, prefix=f"{uuid.uuid4().hex[:8]}:")
    finally:
        await endpoint.close()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigError(f"--header {text!r}: write NAME: VALUE", field="header")
    return name.strip(), value.strip()


async def lone_stages(
    trace: Sequence[TraceWorkflow], endpoint: Endpoint, patience: Patience
) -> dict[str, float]:
    """Measure the seconds of a lone call of each stage, with its mean lengths and nothing cached.

    Raises:
        ConfigError: a call fails.
    """
    random, stages = np.random.default_rng(), dict[str, float]()
    for stage in sorted({call.stage for workflow in trace for call in workflow.calls}):
        calls = [call for workflow in trace for call in workflow.calls if call.stage == stage]
        prompt, output = fmean(c.prompt_tokens for c in calls), fmean(c.output for c in calls)
        taken = []
        for _ in range(_LONE_CALLS):
            ids = random.integers(*IDS, size=round(prompt))
            started = asyncio.get_running_loop().time()
            try:
                await endpoint.generate(ids, round(output), {"stage": stage}, patience.call_seconds)
            except CallError as error:
                raise ConfigError(f"--url: a lone call of {stage} failed: {error}", field="url") from error
            taken.append(asyncio.get_running_loop().time() - started)
        stages[stage] = median(taken)
    return stages


def _stages_in(path: Path, trace: Sequence[TraceWorkflow]) -> dict[str, float]:
    try:
        stages = {str(name): float(value) for name, value in orjson.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        message = f'--stage-seconds {path}: {error}; give a file of {{"stage": seconds, …}}'
        raise ConfigError(message, field="stage_seconds") from error
    missing = {call.stage for workflow in trace for call in workflow.calls} - stages.keys()
    if missing:
        raise ConfigError(f"--stage-seconds {path}: no {', '.join(sorted(missing))}", field="stage_seconds")
    return stages


def _write(
    arguments: argparse.Namespace,
    stages: dict[str, float],
    found: dict[str, Any],
    outcomes: Sequence[WorkflowOutcome],
) -> None:
    told = {name: value for name, value in vars(arguments).items() if name not in ("json", "header")}
    report = {
        "bench": "run",
        "settings": {n: str(v) if isinstance(v, Path) else v for n, v in told.items()},
        "stage_seconds": stages,
        "figures": found,
        "workflows": [outcome.as_dict() for outcome in outcomes],
    }
    arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
