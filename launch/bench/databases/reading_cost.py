"""What reading a database's schema and indexing its values takes, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psutil

from launch.bench.databases.made_databases import MadeDatabase
from launch.database_kinds import kind_of
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.value_scan import ScanLimits
from plugins.text2sql.retrieval.value_index import value_index

_NAME = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds by the clock, and of processors in the reader and in the server; growth of the reader (RSS)."""

    wall_seconds: float
    own_cpu_seconds: float
    server_cpu_seconds: float
    memory_bytes: int

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processors in all."""
        return self.own_cpu_seconds + self.server_cpu_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCost:
    """The cost of both readings, and how much they found."""

    schema: Cost
    index: Cost
    tables: int
    values: int
    large_columns: int


def reading_cost(database: MadeDatabase) -> ReadingCost:
    """Return what reading ``database`` costs a new process that has done nothing yet."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_measured, database).result()


def _measured(database: MadeDatabase) -> ReadingCost:
    with closing(DatabaseRegistry()) as registry:
        began = _Meter(database.server)
        registry.register(_NAME, kind_of(_NAME, database.address), database.address)
        schema = registry.schema(_NAME)
        schema_cost = began.cost()
        began = _Meter(database.server)
        found = value_index(registry.database(_NAME), schema, ScanLimits(), lambda: False)
        return ReadingCost(
            schema=schema_cost,
            index=began.cost(),
            tables=len(schema.tables),
            values=len(found.index),
            large_columns=len(found.large),
        )


class _Meter:
    """Measures from now on."""

    def __init__(self, server: int | None) -> None:
        self._server = psutil.Process(server) if server is not None else None
        self._rss = _memory()
        self._other = self._server_seconds()
        self._own = time.process_time()
        self._wall = time.monotonic()

    def cost(self) -> Cost:
        """Return the cost up to now."""
        return Cost(
            wall_seconds=time.monotonic() - self._wall,
            own_cpu_seconds=time.process_time() - self._own,
            server_cpu_seconds=self._server_seconds() - self._other,
            memory_bytes=_memory() - self._rss,
        )

    def _server_seconds(self) -> float:
        """Return the processor time of the server, of its processes and of those that have ended."""
        if self._server is None:
            return 0.0
        ended = self._server.cpu_times()
        times = [process.cpu_times() for process in (self._server, *self._server.children(recursive=True))]
        return ended.children_user + ended.children_system + sum(each.user + each.system for each in times)


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)
