"""How many answers are right, beside how fast they come: BIRD, Spider, Spider 2-lite or the demo's sets.

Each benchmark is read from its folder as it is published, and judged by its own rules.  A cell is a server, a
number of candidates and a load; ``--results`` keeps every answer, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from rich.console import Console

from launch.arguments import count, listed, positive
from launch.bench.accuracy.accuracy_cells import AccuracyCell, Load, candidate_numbers, cells
from launch.bench.accuracy.accuracy_measurement import Measurement
from launch.bench.accuracy.accuracy_plot import draw_accuracy
from launch.bench.accuracy.accuracy_report import remarks, tables
from launch.bench.accuracy.answer_file import AnswerFile
from launch.bench.accuracy.asking import Asking
from launch.bench.accuracy.bench_servers import check_databases, own_server, server_config
from launch.bench.accuracy.benchmarks.benchmark import Benchmark
from launch.bench.accuracy.benchmarks.bird import read_bird
from launch.bench.accuracy.benchmarks.demo_sets import FREE_QUESTIONS, read_demo
from launch.bench.accuracy.benchmarks.spider import read_spider
from launch.bench.accuracy.benchmarks.spider2 import read_spider2
from launch.bench.accuracy.cell_figures import CellFigures
from launch.bench.accuracy.scoring.rves import REPEATS
from launch.bench.cost.probe_load import BenchError
from sched.errors import ConfigError

HELP = "a benchmark's accuracy beside latency and cost, by load and by candidates"

_WIDTH = 200
_DEMO_COUNT = 150


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bird", type=Path, metavar="FOLDER", help="BIRD's dev or mini-dev set, in SQLite")
    what.add_argument("--spider", type=Path, metavar="FOLDER", help="Spider 1, or its test-suite edition")
    what.add_argument("--spider2", type=Path, metavar="FOLDER", help="Spider 2-lite's SQLite part")
    what.add_argument("--demo", action="store_true", help="the demo's sets, about the demo database")
    add = parser.add_argument
    add("--url", action="append", type=_named, metavar="[NAME=]URL", help="a running server (repeatable)")
    add(
        "--workflow",
        type=listed(str),
        default=("text2sql",),
        help="kinds to start servers for (text2sql)",
    )
    add("--config", type=Path, metavar="FILE.toml", help="further settings of the servers that are started")
    add("--server-config", type=Path, metavar="FILE.toml", help="only write a server's settings")
    add("--clients", type=listed(count), default=(), help="closed loops: numbers of clients (4)")
    add("--rates", type=listed(positive), default=(), help="open loops: questions per second, by chance")
    add("--candidates", type=candidate_numbers, default=(), help="such as 1,3,5 or 1-8 (the server's own)")
    add("--slo-seconds", type=positive, default=60.0, help="deadline of a question (60)")
    add("--timeout", type=positive, default=600.0, help="seconds after which a question has failed (600)")
    add("--limit", type=count, help="ask so many questions, drawn by chance (all)")
    add("--seed", type=int, default=0, help="of the draw, the order and the arrivals (0)")
    add("--ves-repeats", type=int, default=REPEATS, help=f"timings for BIRD's R-VES; 0: none ({REPEATS})")
    add("--count", type=count, default=_DEMO_COUNT, help=f"of each generated demo set ({_DEMO_COUNT})")
    add("--free", type=Path, default=FREE_QUESTIONS, metavar="FILE", help="the demo's free questions")
    add("--results", type=Path, metavar="FILE.jsonl", help="keeps answers; a measurement goes on from it")
    add("--retry", action="store_true", help="ask again what got no answer")
    add("--predictions", type=Path, metavar="PATH", help="write the benchmark's official file of answers")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    add("--plot", type=Path, metavar="FILE.png", help="draw quality and serving in one plot")


def run(arguments: argparse.Namespace) -> int:
    """Measure what is missing, print tables and return the exit code."""
    benchmark = _benchmark(arguments)
    if arguments.server_config:
        with _writing():
            arguments.server_config.write_text(server_config(benchmark.databases, arguments.config), "utf-8")
        return 0
    servers = dict(arguments.url) if arguments.url else dict.fromkeys(arguments.workflow, "")
    if arguments.url and len(servers) < len(arguments.url):
        raise ConfigError("--url: give each server another name, NAME=URL", field="url")
    loads = [*(Load("clients", n) for n in arguments.clients), *(Load("rate", r) for r in arguments.rates)]
    planned = cells(list(servers), arguments.candidates, loads or [Load("clients", 4)])
    design = {
        "benchmark": benchmark.name,
        "questions": benchmark.digest(),
        "slo_seconds": arguments.slo_seconds,
        "seed": arguments.seed,
        "ves_repeats": arguments.ves_repeats,
    }
    measurement = Measurement(
        benchmark=benchmark,
        questions=benchmark.drawn(arguments.limit, arguments.seed),
        asking=Asking(
            slo_seconds=arguments.slo_seconds, timeout_seconds=arguments.timeout, seed=arguments.seed
        ),
        answers=AnswerFile(arguments.results, design),
        retry=arguments.retry,
        console=Console(stderr=True, highlight=False),
    )
    for note in benchmark.notes:
        print(note)
    try:
        with _writing():
            for name, url in servers.items():
                _measure(measurement, arguments, [c for c in planned if c.server == name], url)
            found = [measurement.figures(cell) for cell in planned]
    except BenchError as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    with _writing():
        _write(arguments, benchmark, measurement, found)
    _show(found)
    return 0


def _measure(
    measurement: Measurement, arguments: argparse.Namespace, planned: Sequence[AccuracyCell], url: str
) -> None:
    """Ask and judge what is missing in the cells of one server, which is started if it has no ``url``."""
    missing = [cell for cell in planned if measurement.missing(cell)]
    if missing and url:
        check_databases(url, measurement.benchmark)
        asyncio.run(measurement.ask(url, missing))
    elif missing:
        kind, databases = planned[0].server, measurement.benchmark.databases
        with own_server(kind, databases, arguments.config, measurement.console) as own:
            asyncio.run(measurement.ask(own, missing))
    # Not before the server has ended: judging takes processor time.
    measurement.judge(planned)


def _benchmark(arguments: argparse.Namespace) -> Benchmark:
    if arguments.ves_repeats < 0:
        raise ConfigError("--ves-repeats must be 0 or more", field="ves_repeats")
    if arguments.bird:
        return read_bird(arguments.bird, arguments.ves_repeats)
    if arguments.spider:
        return read_spider(arguments.spider)
    if arguments.spider2:
        return read_spider2(arguments.spider2)
    return read_demo(arguments.count, arguments.free)


def _named(text: str) -> tuple[str, str]:
    """Return the name and the address of a server.

    Raises:
        argparse.ArgumentTypeError: the address is none.
    """
    name, equals, url = ("server", "=", text) if text.startswith("http") else text.partition("=")
    if not (name and equals and url.startswith(("http://", "https://"))):
        raise argparse.ArgumentTypeError(f"{text!r}: give [NAME=]URL, with http:// or https://")
    return name, url.rstrip("/")


def _show(found: Sequence[CellFigures]) -> None:
    console = Console(width=_WIDTH, highlight=False)
    for table in tables(found):
        console.print(table)
    for remark in remarks(found):
        console.print(remark)


def _write(
    arguments: argparse.Namespace,
    benchmark: Benchmark,
    measurement: Measurement,
    found: Sequence[CellFigures],
) -> None:
    if arguments.json:
        told: Mapping[str, object] = {
            "bench": "accuracy",
            "benchmark": benchmark.name,
            "questions": len(measurement.questions),
            "slo_seconds": arguments.slo_seconds,
            "seed": arguments.seed,
            "cells": [cell.as_dict() for cell in found],
        }
        arguments.json.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    if arguments.plot:
        title = f"{benchmark.name}, {len(measurement.questions)} questions"
        draw_accuracy(arguments.plot, found, title, arguments.slo_seconds)
    if arguments.predictions:
        for path in measurement.write_predictions(arguments.predictions, [one.cell for one in found]):
            print(path)


@contextmanager
def _writing() -> Iterator[None]:
    """Turn the error of a file that can't be written into one that names it."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{error.filename} can't be written: {error.strerror}") from error
