"""``python -m launch.bench NAME``: measurements of Sluice, alone and beside others."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from launch.bench import (
    compare,
    decide,
    learning,
    mixing,
    overhead,
    passes,
    probes,
    questions,
    run,
    soak,
    spending,
    validate,
)
from launch.bench.accuracy import accuracy_cli
from launch.bench.agents import agents_cli
from launch.bench.chaos import chaos_cli
from launch.bench.databases import databases_cli
from launch.checks import checked

_BENCHES = {
    "run": run,
    "spending": spending,
    "compare": compare,
    "validate": validate,
    "overhead": overhead,
    "questions": questions,
    "accuracy": accuracy_cli,
    "decide": decide,
    "learning": learning,
    "mixing": mixing,
    "passes": passes,
    "databases": databases_cli,
    "agents": agents_cli,
    "chaos": chaos_cli,
    "soak": soak,
    "probes": probes,
}
"""Each has ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``, which returns an exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a measurement and return its exit code: 1 if it failed, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m launch.bench", description=__doc__)
    subparsers = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, bench in _BENCHES.items():
        described = subparsers.add_parser(name, help=bench.HELP, description=bench.__doc__)
        bench.add_arguments(described)
    arguments = parser.parse_args(argv)
    return checked(lambda: _BENCHES[arguments.name].run(arguments))
