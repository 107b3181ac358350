"""Faults on purpose, one after the other, while clients ask: what is lost, and how soon all is as before.

A fault is green if nothing that the server had accepted was lost, nothing ran twice, and it was noticed and
healed within its limits.  Workflows don't outlive the controller: the errors of those that ran when it died
are listed, and aren't losses.  The faults of SGLang's own processes need real runtimes and minutes.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import orjson
from rich.console import Console

from launch.arguments import count, listed
from launch.bench.chaos.chaos_stands import REAL, STANDS, stand_of
from launch.bench.chaos.fault import Fault
from launch.bench.chaos.injection import Injection, injected
from launch.bench.chaos.network_faults import LinkCut, LinkStalled
from launch.bench.chaos.outside_faults import (
    DatabaseGone,
    JournalDiskFull,
    StatementCrashes,
    StatementHangs,
)
from launch.bench.chaos.process_faults import (
    ControllerKilled,
    ControllerStopped,
    DetokeniserKilled,
    DiesAtEveryStart,
    FiveTimesSlower,
    LauncherKilled,
    RealWorkerStopped,
    SchedulerHangs,
    SchedulerKilled,
    SchedulerStopped,
    WorkerKilled,
    WorkerStopped,
)
from launch.bench.cost.probe_load import BenchError
from launch.bench.databases.local_server import ServerFailedError
from sched.errors import ConfigError

HELP = "what faults cost: killed and stopped processes, a cut network, a full disk, a database that is gone"

FAULTS: dict[str, type[Fault]] = {
    "statement-crashes": StatementCrashes,
    "statement-hangs": StatementHangs,
    "runtime-slow": FiveTimesSlower,
    "scheduler-hangs": SchedulerHangs,
    "worker-stopped": WorkerStopped,
    "worker-killed": WorkerKilled,
    "dies-at-every-start": DiesAtEveryStart,
    "controller-killed": ControllerKilled,
    "controller-stopped": ControllerStopped,
    "launcher-killed": LauncherKilled,
    "link-cut": LinkCut,
    "link-stalled": LinkStalled,
    "database-gone": DatabaseGone,
    "journal-disk-full": JournalDiskFull,
    "real-worker-stopped": RealWorkerStopped,
    "real-scheduler-stopped": SchedulerStopped,
    "real-scheduler-killed": SchedulerKilled,
    "real-detokeniser-killed": DetokeniserKilled,
}
"""In the order in which they are injected; the last of a stand may end it."""
_WIDTH = max(map(len, FAULTS))
_SHOWN_LOSSES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command."""
    add = parser.add_argument
    add("--faults", type=listed(str), default=tuple(FAULTS), help=f"default: all; known: {', '.join(FAULTS)}")
    add("--repeat", type=count, default=1, help="inject each so often; P50 and P99 are shown (default: 1)")
    add("--no-real", action="store_true", help="leave out the faults that need SGLang runtimes")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Inject the faults, print a line for each, and return the exit code: 1 if one isn't green.

    Raises:
        ConfigError: a fault is unknown.
    """
    if unknown := [name for name in arguments.faults if name not in FAULTS]:
        raise ConfigError(
            f"--faults: unknown: {', '.join(unknown)}; known: {', '.join(FAULTS)}", field="faults"
        )
    chosen = [name for name in FAULTS if name in arguments.faults]
    if arguments.no_real:
        chosen = [name for name in chosen if FAULTS[name].STAND != REAL]
    console = Console(highlight=False, soft_wrap=True)
    results: list[Injection] = []
    try:
        for result in _all(console, chosen, arguments.repeat):
            results.append(result)
            _show(console, result)
    except (BenchError, ServerFailedError) as error:
        console.print(str(error), markup=False, style="red")
        return 1
    if arguments.repeat > 1:
        _show_percentiles(console, chosen, results)
    if arguments.json:
        report = {"bench": "chaos", "injections": [asdict(result) for result in results]}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    red = [result.fault for result in results if not result.green]
    verdict = f"red: {', '.join(red)}" if red else "all green"
    console.print(f"{len(results)} injections, {verdict}")
    return 1 if red else 0


def _all(console: Console, names: Sequence[str], repeat: int) -> Iterator[Injection]:
    """Inject the faults, those of one kind of server after each other, on as few servers as may be."""
    for kind, described in STANDS.items():
        of_kind = [name for name in names if kind == FAULTS[name].STAND]
        turns = [name for name in of_kind for _ in range(repeat)]
        if turns:
            console.print(f"\n{kind}: {described}\n{_HEAD}")
        while turns:
            with ExitStack() as stack:
                stand = stack.enter_context(stand_of(kind))
                while turns:
                    name = turns.pop(0)
                    yield injected(name, FAULTS[name], stand)
                    if FAULTS[name].ENDS_SERVER or (repeat > 1 and FAULTS[name].FRESH):
                        break


_HEAD = f"{'fault':{_WIDTH}}  noticed  recovered  asked  lost  again  twice  errors that clients saw"


def _show(console: Console, result: Injection) -> None:
    verdict = result.verdict
    errors = ", ".join(f"{number} × {code}" for code, number in verdict.errors.items()) or "none"
    console.print(
        f"{result.fault:{_WIDTH}}  {_seconds(result.noticed_seconds):>7}  "
        f"{_seconds(result.recovered_seconds):>9}  {verdict.asked:5}  {len(verdict.lost):4}  "
        f"{verdict.again:5}  {len(result.twice):5}  {errors}",
        style=None if result.green else "red",
    )
    for loss in verdict.lost[:_SHOWN_LOSSES]:
        console.print(f"  lost: {loss}", markup=False)


def _show_percentiles(console: Console, names: Sequence[str], results: Sequence[Injection]) -> None:
    console.print(f"\n{'fault':{_WIDTH}}  times  noticed P50   P99  recovered P50   P99")
    for name in names:
        of_name = [result for result in results if result.fault == name]
        noticed = [r.noticed_seconds for r in of_name if r.noticed_seconds is not None]
        recovered = [r.recovered_seconds for r in of_name if r.recovered_seconds is not None]
        figures = [f"{_percentile(values, p):.1f}" for values in (noticed, recovered) for p in (50, 99)]
        console.print(
            f"{name:{_WIDTH}}  {len(of_name):5}  {figures[0]:>11}  {figures[1]:>4}  "
            f"{figures[2]:>13}  {figures[3]:>4}"
        )


def _percentile(values: Sequence[float], p: int) -> float:
    """Return the ``p``-th percentile, interpolated between the values (NaN without any)."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[p - 1]


def _seconds(seconds: float | None) -> str:
    return "late" if seconds is None else f"{seconds:.1f} s"
