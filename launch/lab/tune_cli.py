"""``python -m launch.tune TRACE``: find a placement policy's parameters for a trace and a cluster.

A policy with one knob (``hexgen_flow``) is simulated for every value of the published grid, another for the
settings that Optuna tries.  What is minimised is the mean stretch (seconds over expected seconds) of the
slowest fifth of the workflows; the best setting is then compared with the default on other samples of the
trace.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from launch.arguments import count, positive
from launch.checks import checked
from launch.lab.curves import plot
from launch.lab.search import search
from launch.shipped import ordering_registry, placement_registry
from sched.errors import ConfigError
from sched.sim.batching import SimRuntimeConfig
from sched.sim.bounds import rate_bound
from sched.sim.figures import WARM_UP
from sched.sim.hardware import parse_cluster
from sched.sim.simulator import SimOptions
from sched.traces.arrivals import draw
from sched.traces.trace_format import read_trace
from sched.tune.tuner import PolicySetting, Sample, SettingOutcome, TuningReplay, knobs_of


def main(argv: Sequence[str] | None = None) -> int:
    """Tune and return the exit code: 2 for wrong input."""
    arguments = _parser().parse_args(argv)
    return checked(lambda: _tune(arguments))


def _tune(arguments: argparse.Namespace) -> int:
    policy = placement_registry().load(arguments.placement)
    default, knobs = PolicySetting.of(arguments.placement, policy), knobs_of(policy)
    if not knobs:
        message = f"--placement {arguments.placement} names no knobs to tune: choose hexgen_flow or sluice"
        raise ConfigError(message, field="placement")
    started = time.monotonic()
    evaluate = _replay(arguments, range(arguments.seeds))
    limits = {"trials": arguments.trials, "seconds": arguments.seconds}
    outcomes = search(default, knobs, evaluate, **limits)
    seconds = time.monotonic() - started
    best = min(outcomes, key=lambda outcome: outcome.tail)
    fresh = _replay(arguments, range(1000, 1000 + arguments.seeds))
    before, after = fresh(default), fresh(best.setting)
    _show(outcomes, best, (before, after), seconds)
    if arguments.plot:
        plot(arguments.plot, outcomes, knobs, f"{arguments.trace.stem}, {arguments.cluster}")
    if arguments.json:
        report = {"seconds": seconds, "outcomes": [_plain(o) for o in outcomes], "best": _plain(best)}
        checked = {"default": _plain(before), "best": _plain(after)}
        arguments.json.write_bytes(orjson.dumps({**report, "other_samples": checked}) + b"\n")
    return 0


def _replay(arguments: argparse.Namespace, seeds: range) -> TuningReplay:
    trace, gpus = read_trace(arguments.trace), parse_cluster(arguments.cluster)
    rate = arguments.load * rate_bound(trace, gpus)
    drawn = [draw(trace, arguments.workflows, rate, arguments.arrivals, seed) for seed in seeds]
    return TuningReplay(
        samples=[Sample(workflows, int(len(workflows) * WARM_UP)) for workflows in drawn],
        gpus=gpus,
        config=SimRuntimeConfig(name=arguments.runtime_config),
        ordering=ordering_registry().load(arguments.ordering),
        options=SimOptions(),
        load=placement_registry().load,
    )


def _show(
    outcomes: Sequence[SettingOutcome],
    best: SettingOutcome,
    checked: tuple[SettingOutcome, SettingOutcome],
    seconds: float,
) -> None:
    console = Console(highlight=False, width=110 if not sys.stdout.isatty() else None)
    table = Table(title=f"{len(outcomes)} settings replayed in {seconds:.0f} s, the best ten")
    for name in ("setting", "tail stretch", "P95 s"):
        table.add_column(name, justify="left" if name == "setting" else "right", overflow="fold")
    for outcome in sorted(outcomes, key=lambda o: o.tail)[:10]:
        table.add_row(str(outcome.setting), f"{outcome.tail:.3f}", f"{outcome.p95:.1f}")
    console.print(table)
    before, after = checked
    change = after.tail / before.tail - 1
    console.print(
        f"best: --placement '{best.setting}'\non other samples: tail stretch {before.tail:.3f} → "
        f"{after.tail:.3f} ({change:+.1%}), P95 {before.p95:.1f} → {after.p95:.1f} s",
        soft_wrap=True,
    )


def _plain(outcome: SettingOutcome) -> dict[str, object]:
    return {"setting": str(outcome.setting), "tail": outcome.tail, "p95": outcome.p95}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.tune", description=__doc__)
    add = parser.add_argument
    add("trace", type=Path, help="a JSONL trace (traces/README.md)")
    add("--placement", default="hexgen_flow", help="the policy, with where to begin (hexgen_flow)")
    add("--ordering", default="urgency", help="the order of waiting calls (urgency)")
    add("--cluster", default="hetero1", help="as for launch.simulate (hetero1)")
    add("--runtime-config", default="default", help="as for launch.simulate (default)")
    add("--load", type=positive, default=0.4, help="rate over the cluster's work bound (0.4)")
    add("--arrivals", default="poisson", help="as for launch.simulate (poisson)")
    add("--workflows", type=count, default=150, help="per sample (150)")
    add("--seeds", type=count, default=2, help="samples per setting (2)")
    add("--trials", type=count, default=60, help="settings that Optuna tries (60)")
    add("--seconds", type=positive, default=60.0, help="no further setting is begun after this time (60)")
    add("--plot", type=Path, help="draw the response curve there")
    add("--json", type=Path, help="write all figures there")
    return parser
