"""What forward passes take: by prefill tokens, batch and context, apart and mixed in one pass; and the fit.

A runtime is started alone and measured on a grid: lone prompts, batches that decode, and prompts that ride on
these (mixed chunks).  The file of ``--json`` holds the raw passes and the speed fitted to them; the simulator
takes it as ``--cluster file:FILE``, and ``--from FILE`` shows it again.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from engine.wire.worker_spec import Grid, WorkerSpec
from launch.arguments import count, listed
from launch.bench.cost.probe_load import BenchError
from launch.bench.stand import calibration_in, plan_here, processes
from launch.server.child import ChildError
from launch.server.config import ServerConfig
from launch.server.sources import read_config
from sched.errors import ConfigError
from sched.predict.calibration import Calibration, fit, fit_error, read_calibration
from sched.predict.speed import Pass, Speed
from sched.sim.figures import percentile
from sched.sim.hardware import gpu_of

HELP = "what forward passes take, with and without mixed chunks"

_START_SECONDS = 420.0
_BEHIND = (64, 512)
"""Uncached tokens of prompts whose beginning is cached."""
_KINDS: dict[str, Callable[[Pass], bool]] = {
    "prefill": lambda p: p.tokens > 0 and not p.calls,
    "decode": lambda p: p.calls > 0 and not p.tokens,
    "mixed": lambda p: p.calls > 0 and p.tokens > 0,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add, counts = parser.add_argument, listed(count)
    add("--config", metavar="FILE.toml", help="a server's settings; its first runtime is measured")
    add("--model-path", metavar="FOLDER", help="the model (without GPU: the embedded one)")
    add("--prefills", type=counts, default=(32, 128, 512, 2048, 8192), metavar="N,…", help="lone prompts")
    add("--batches", type=counts, default=(1, 8, 16, 32, 64), metavar="N,…", help="calls that decode")
    add("--contexts", type=counts, default=(512, 2048, 8192), metavar="N,…", help="tokens of their prompts")
    add("--riders", type=counts, default=(32, 64, 128, 256, 512), metavar="N,…", help="tokens beside them")
    add("--rounds", type=count, default=3, help="how often each is measured (default: 3)")
    add("--seconds", type=float, default=480.0, help="limit of the measurement after the start (480)")
    add("--json", type=Path, metavar="FILE", help="write the passes and the speed to FILE")
    add("--from", dest="kept", type=Path, metavar="FILE", help="show what such a file holds; measure nothing")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print tables and return the exit code."""
    if arguments.kept:
        found = read_calibration(arguments.kept)
    else:
        try:
            found = asyncio.run(_measured(_config(arguments), grid_of(arguments)))
        except (BenchError, ChildError) as error:
            print(f"the measurement failed: {error}", file=sys.stderr)
            return 1
    if arguments.json:
        try:
            arguments.json.write_bytes(orjson.dumps(found.as_dict()) + b"\n")
        except OSError as error:
            raise ConfigError(f"--json {arguments.json}: {error.strerror}", field="json") from error
    _show(found)
    return 0


def grid_of(arguments: argparse.Namespace) -> Grid:
    """Return what the flags ask for; all prompts are unlike, so that each call's KV is read from memory."""
    batches, contexts = tuple(sorted(arguments.batches)), tuple(sorted(arguments.contexts))
    behind = [(tokens, context) for context in contexts for tokens in _BEHIND]
    return Grid(
        prefills=(*((tokens, 0) for tokens in sorted(arguments.prefills)), *behind),
        batches=batches,
        contexts=contexts,
        riders=tuple(sorted(arguments.riders)),
        carriers=batches,
        rounds=arguments.rounds,
        rides=arguments.rounds,
        shared=False,
        limit_seconds=arguments.seconds,
    )


def _config(arguments: argparse.Namespace) -> ServerConfig:
    config = read_config(arguments.config)
    return replace(config, model_path=arguments.model_path) if arguments.model_path else config


async def _measured(config: ServerConfig, grid: Grid) -> Calibration:
    """Start the first runtime of ``config`` alone and have it measure itself on ``grid``."""
    plan = plan_here(config)
    async with processes() as stand:
        worker = plan.family_in(stand.folder).workers[0]
        spec = WorkerSpec.from_json(worker.line)
        folder = stand.folder / "calibration"
        spec = replace(spec, grid=grid, calibration_folder=str(folder), orphan_seconds=1e6, prefill_budget=0)
        child = await stand.start(replace(worker, line=spec.to_json()))
        await child.until_ready(_START_SECONDS + grid.limit_seconds)
        return calibration_in(folder)


def errors(speed: Speed, passes: Sequence[Pass]) -> dict[str, tuple[int, float, float]]:
    """Return, by kind of pass, their number and |fit − real| / real at the median and the 90th percentile."""
    found = {}
    for kind, is_one in _KINDS.items():
        shares = [fit_error(speed, [p]) for p in passes if is_one(p)]
        if shares:
            found[kind] = len(shares), percentile(shares, 0.5), percentile(shares, 0.9)
    return found


def rides(passes: Sequence[Pass]) -> dict[tuple[int, int], dict[int, float]]:
    """Return median seconds by (calls, context of each) and then by prefill tokens; 0: the bare step.

    Contexts are rounded to a power of two; those without a mixed pass are left out.
    """
    seconds: dict[tuple[int, int], dict[int, list[float]]] = {}
    for p in passes:
        if p.calls:
            key = p.calls, 2 ** round(math.log2(max(1, p.context / p.calls)))
            seconds.setdefault(key, {}).setdefault(p.tokens, []).append(p.seconds)
    return {
        key: {tokens: median(found) for tokens, found in sorted(by_tokens.items())}
        for key, by_tokens in sorted(seconds.items())
        if max(by_tokens) > 0 and 0 in by_tokens
    }


def _show(found: Calibration) -> None:
    speed = fit(found.passes, found.speed.request)
    console = Console(highlight=False, width=130 if not sys.stdout.isatty() else None)
    table = Table(title=f"The fit to {len(found.passes)} passes of {found.key['model']}")
    for name in ("pass", "number", "|fit − real| P50", "P90"):
        table.add_column(name, justify="right")
    for kind, (number, middle, high) in errors(speed, found.passes).items():
        table.add_row(kind, str(number), f"{middle:.1%}", f"{high:.1%}")
    console.print(table)
    _show_rides(console, rides(found.passes))
    console.print(
        f"{found.key['device']}, {found.key['engine']}, {found.key['arguments']}\n"
        f"ridge at {speed.ridge_tokens:.0f} tokens; a mixed pass hides {speed.hidden:.0%} of its smaller "
        f"part; prefill budget {replace(found, speed=speed).budget_tokens}\n"
        f"for sched/sim/hardware.py: {_row(replace(found, speed=speed))}",
        soft_wrap=True,
    )


def _show_rides(console: Console, seconds: dict[tuple[int, int], dict[int, float]]) -> None:
    if not seconds:
        console.print("no mixed passes were measured (on a GPU: start with enable_mixed_chunk)")
        return
    table = Table(title="ms of a pass with so many prefill tokens beside the decoding calls (0: none)")
    tokens = sorted({t for by_tokens in seconds.values() for t in by_tokens})
    for name in ("calls", "context", *map(str, tokens)):
        table.add_column(name, justify="right")
    for (calls, context), by_tokens in seconds.items():
        cells = (f"{by_tokens[t] * 1e3:.1f}" if t in by_tokens else "" for t in tokens)
        table.add_row(str(calls), str(context), *cells)
    console.print(table)


def _row(found: Calibration) -> str:
    gpu = gpu_of("NAME", found.speed, found.max_total_tokens, found.chunk_tokens)
    told: dict[str, Any] = {f.name: getattr(gpu, f.name) for f in fields(gpu)}
    shown = (f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v!r}" for n, v in told.items())
    return f"Gpu({', '.join(shown)})"
