"""What recognising agents that tag nothing brings: the same arrivals with it and without.

Both servers are as users start them; one runs after the other, in turns, on simulated runtimes or on
SGLang's with the embedded model.  The first tenth of a run teaches and isn't counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import httpx
import numpy as np
from openai import OpenAIError
from rich.console import Console
from rich.table import Table

from launch.ask.local import local_server
from launch.bench.agents.plain_agents import AGENTS, AgentOutcome, play, tasks
from launch.bench.peers.intervals import Interval, Rows, interval

HELP = "what recognising agents that tag nothing brings"

ON, OFF = "on", "off"
_SIMULATED = ("--simulated", "--cpu-slots", "2", "--", "--output-tokens", "1000")
_REAL = ("--cpu-slots", "2")

Runs = dict[str, list[list[AgentOutcome]]]
"""Per mode the outcomes of each seed, in the order of arrival."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    add("--tasks", type=int, default=120, help="questions in a run (default: 120)")
    add("--rate", type=float, default=2.0, help="questions per second (default: 2)")
    add("--seeds", type=int, default=3, help="runs with different arrivals (default: 3)")
    add("--real", action="store_true", help="on two CPU runtimes with the embedded model, not simulated ones")
    add("--json", type=Path, metavar="FILE", help="write every outcome to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code."""
    console = Console()
    runs: Runs = {ON: [], OFF: []}
    workflows: dict[str, list[float]] = {ON: [], OFF: []}
    try:
        for seed in range(arguments.seeds):
            for mode in (ON, OFF) if seed % 2 == 0 else (OFF, ON):
                outcomes, calls = _measured(arguments, mode, seed, console)
                runs[mode].append(outcomes)
                workflows[mode].append(calls)
    except (RuntimeError, httpx.HTTPError, OpenAIError) as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    console.print(report(runs, workflows))
    if arguments.json:
        plain = {mode: [[asdict(o) for o in outcomes] for outcomes in found] for mode, found in runs.items()}
        arguments.json.write_text(json.dumps(plain) + "\n", encoding="utf-8")
    return 0


def _measured(
    arguments: argparse.Namespace, mode: str, seed: int, console: Console
) -> tuple[list[AgentOutcome], float]:
    """Return a run's outcomes but for its first tenth, and the calls per workflow that the server saw."""
    switch = () if mode == ON else ("--no-recognise-agents",)
    with local_server([*switch, *(_REAL if arguments.real else _SIMULATED)], progress=console) as url:
        model = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"][0]["id"]
        todo = tasks(arguments.tasks, arguments.rate, seed)
        with console.status(f"seed {seed}, {mode} …"):
            outcomes = asyncio.run(play(url, model, todo))
        shown = httpx.get(f"{url}/v1/workflows", params={"limit": 1000}, trust_env=False).json()["workflows"]
    calls = sum(workflow["calls"] for workflow in shown) / max(1, len(shown))
    return outcomes[len(outcomes) // 10 :], calls


def report(runs: Runs, workflows: dict[str, list[float]]) -> Table:
    """Return the table: per agent P50, P95 and the cached share, with 95 % intervals, and P95 in pairs."""
    columns = ("agent", "recognition", "P50 s", "P95 s", "P95, on / off", "cached", "calls per workflow seen")
    table = Table(*columns)
    for agent in (*AGENTS, "both"):
        chosen = {
            mode: [[o for o in outcomes if agent in (o.agent, "both")] for outcomes in found]
            for mode, found in runs.items()
        }
        for mode, found in chosen.items():
            ratio = _ratio(chosen[ON], chosen[OFF]).shown() if mode == ON else ""
            seen = f"{np.mean(workflows[mode]):.1f}" if agent == "both" else ""
            figures = (_quantile(found, 50).shown(), _quantile(found, 95).shown(), ratio)
            table.add_row(agent, mode, *figures, _cached(found).shown(3), seen)
    return table


def _quantile(found: Sequence[Sequence[AgentOutcome]], percent: float) -> Interval:
    seconds = [np.array([o.seconds for o in outcomes]) for outcomes in found]

    def statistic(rows: Sequence[Rows]) -> float:
        return float(
            np.percentile(np.concatenate([s[r] for s, r in zip(seconds, rows, strict=True)]), percent)
        )

    return interval([len(s) for s in seconds], statistic)


def _ratio(on: Sequence[Sequence[AgentOutcome]], off: Sequence[Sequence[AgentOutcome]]) -> Interval:
    """Return P95 with recognition over P95 without, tasks in pairs."""
    pairs = [
        np.array([[a.seconds, b.seconds] for a, b in zip(x, y, strict=True)])
        for x, y in zip(on, off, strict=True)
    ]

    def statistic(rows: Sequence[Rows]) -> float:
        p95 = np.percentile(np.concatenate([p[r] for p, r in zip(pairs, rows, strict=True)]), 95, axis=0)
        return float(p95[0] / p95[1])

    return interval([len(p) for p in pairs], statistic)


def _cached(found: Sequence[Sequence[AgentOutcome]]) -> Interval:
    tokens = [np.array([[o.cached_tokens, o.prompt_tokens] for o in outcomes]) for outcomes in found]

    def statistic(rows: Sequence[Rows]) -> float:
        cached, prompt = np.concatenate([t[r] for t, r in zip(tokens, rows, strict=True)]).sum(axis=0)
        return float(cached / max(1, prompt))

    return interval([len(t) for t in tokens], statistic)
