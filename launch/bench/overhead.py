"""What the controller itself costs a call: its own time per call, and calls per second on one core.

Calls go over HTTP to a real controller and over real ZMQ links to null runtimes, which answer at once; no
model runs.  ``dispatch`` is the controller's work from a request's arrival until it is handed to the link,
``answer`` from the runtime's last message until the answer is ready (the ``Server-Timing`` header), both with
one call at a time.  Calls per second and processor time per call, all of HTTP included, come from closed-loop
clients.  Beside the measured calls others wait in the same queue.  Prompts come as token ids: no figure has
tokenising in it.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from launch.arguments import at_least, listed
from launch.bench.cost.bare_comparison import compare
from launch.bench.cost.controller_cost import CostPlan, CostRow, measure, spread
from launch.bench.cost.probe_load import TAIL_TOKENS, BenchError
from launch.server.child import ChildError

HELP = "the controller's own cost per call"

_COLUMNS = (
    "prompt\ntokens",
    "waiting\ncalls",
    "dispatch\nP50 ms",
    "answer\nP50 ms",
    "both ms\nP50",
    "\nP90",
    "\nP99",
    "client\nP50 ms",
    "calls/s",
    "CPU ms\nper call",
    "CPU\nshare",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add(
        "--prompt-tokens",
        type=listed(at_least(2 * TAIL_TOKENS)),
        default=(256, 4000),
        metavar="N,…",
        help="default: 256,4000",
    )
    waiting = (1, 100, 1000, 5000)
    add(
        "--waiting", type=listed(at_least(0)), default=waiting, metavar="N,…", help="default: 1,100,1000,5000"
    )
    add("--calls", type=at_least(2), default=1000, help="calls measured one by one (default: 1000)")
    add("--clients", type=at_least(1), default=16, help="clients for calls per second (default: 16)")
    add("--seconds", type=_seconds, default=5.0, help="how long these send calls (default: 5)")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    add("--sglang", action="store_true", help="compare with a bare SGLang server, too (minutes)")
    add("--model-path", metavar="FOLDER", help="the model for that (without GPU: the embedded one)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    plan = CostPlan(
        prompt_tokens=arguments.prompt_tokens,
        waiting_calls=arguments.waiting,
        calls=arguments.calls,
        clients=arguments.clients,
        seconds=arguments.seconds,
    )
    try:
        rows, core = uvloop.run(measure(plan))
        _show(rows, core)
        servers = _beside_sglang(arguments.model_path, plan) if arguments.sglang else None
    except (BenchError, ChildError) as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        report = {
            "bench": "overhead",
            "runtimes": "null (no model)",
            "controller_core": core,
            "python": platform.python_version(),
            "processor": processor(),
            "plan": asdict(plan),
            "rows": [asdict(row) for row in rows],
            "one_call_at_a_time_on_sglang_ms": servers,
        }
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _beside_sglang(model_path: str | None, plan: CostPlan) -> dict[str, Any]:
    """Print and return what a lone client waits for a bare SGLang server and for Sluice."""
    tokens = plan.prompt_tokens[0]
    times = uvloop.run(compare(model_path, tokens, plan.calls))
    found = {name: spread(milliseconds) for name, milliseconds in times.items()}
    print(
        f"One call at a time on SGLang, {tokens} prompt tokens of which {TAIL_TOKENS} are new, 1 token out:"
    )
    for name, label in (("bare", "bare SGLang"), ("sluice", "through Sluice")):
        print(f"  {label:<15} P50 {found[name].p50:.2f} ms, P90 {found[name].p90:.2f} ms")
    return {"prompt_tokens": tokens} | {name: asdict(values) for name, values in found.items()}


def _show(rows: Sequence[CostRow], core: int | None) -> None:
    where = f"on core {core} alone" if core is not None else "sharing the only core with clients and runtimes"
    table = Table(title=f"Controller cost per call, null runtimes, controller {where}")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for row in rows:
        times = (row.dispatch_ms.p50, row.answer_ms.p50, *asdict(row.overhead_ms).values(), row.client_ms.p50)
        table.add_row(
            str(row.prompt_tokens),
            str(row.waiting_calls),
            *(f"{value:.2f}" for value in times),
            f"{row.calls_per_second:.0f}",
            f"{row.cpu_ms_per_call:.2f}",
            f"{row.cpu_share:.0%}",
        )
    Console(highlight=False, width=110 if not sys.stdout.isatty() else None).print(table)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: give a time in seconds")
    return seconds


def processor() -> str:
    """Return the name of this machine's processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "unknown")
