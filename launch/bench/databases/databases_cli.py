"""What reading a database costs: its schema, and the index of its values, engine by engine.

Made-up databases are read by a new process each: one with many tables of 21 columns, which refer to each
other, and one with a table of many rows.  Of servers, their processor time counts, too.  An engine that this
machine hasn't is left out.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from launch.arguments import count, listed
from launch.bench.databases.made_databases import ENGINES, Engine, made, started
from launch.bench.databases.reading_cost import Cost, ReadingCost, reading_cost
from sched.errors import ConfigError

HELP = "what reading schemas and indexing values costs, by engine"

AIM_SECONDS = 3.0
"""Of processors, for a schema and for an index."""
_MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredReading:
    """What reading one database of ``engine`` costs."""

    engine: str
    database: str
    cost: ReadingCost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    add = parser.add_argument
    known = ", ".join(ENGINES)
    add("--engines", type=listed(str), default=tuple(ENGINES), help=f"default: all, which are {known}")
    add("--tables", type=count, default=300, help="tables of the one database (default: 300)")
    add("--table-rows", type=count, default=200, help="rows of each of them (default: 200)")
    add("--rows", type=count, default=5_000_000, help="rows of the other one's table (default: 5000000)")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and return the exit code.

    Raises:
        ConfigError: an engine is unknown.
    """
    if unknown := [name for name in arguments.engines if name not in ENGINES]:
        raise ConfigError(
            f"--engines: unknown: {', '.join(unknown)}; known: {', '.join(ENGINES)}", field="engines"
        )
    console = Console(highlight=False)
    measured: list[MeasuredReading] = []
    for engine in (ENGINES[name] for name in arguments.engines):
        missing = engine.server.missing() if engine.server else None
        if missing:
            console.print(f"{engine.name} is left out: {missing}")
            continue
        measured += _measured(engine, arguments.tables, arguments.table_rows, arguments.rows)
    console.print(_table(measured))
    if arguments.json:
        report = {"bench": "databases", "aim_seconds": AIM_SECONDS, "rows": [asdict(row) for row in measured]}
        arguments.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


def _measured(engine: Engine, tables: int, table_rows: int, rows: int) -> Iterator[MeasuredReading]:
    databases = {
        f"{tables:,} tables": engine.wide(tables, table_rows),
        f"{rows:,} rows": engine.long(rows),
    }
    with tempfile.TemporaryDirectory() as folder, started(engine) as server:
        for name, statements in databases.items():
            with made(engine, server, statements, Path(folder)) as database:
                yield MeasuredReading(engine=engine.name, database=name, cost=reading_cost(database))


def _table(measured: Sequence[MeasuredReading]) -> Table:
    table = Table(
        title="Seconds by the clock, and of processors here and in the server",
        caption=f"aim: {AIM_SECONDS:g} s of processors for each reading; * where it is missed",
    )
    for name in ("engine", "database", "reading"):
        table.add_column(name, no_wrap=True)
    for name in ("wall", "here", "server", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in measured:
        for reading, cost in (("schema", row.cost.schema), ("index", row.cost.index)):
            table.add_row(row.engine, row.database, reading, *_figures(cost))
    return table


def _figures(cost: Cost) -> Iterator[str]:
    mark = "*" if cost.cpu_seconds > AIM_SECONDS else ""
    yield f"{cost.wall_seconds:.2f}"
    yield f"{cost.own_cpu_seconds:.2f}"
    yield f"{cost.server_cpu_seconds:.2f}{mark}"
    yield f"{cost.memory_bytes / _MEGABYTE:.0f}"
