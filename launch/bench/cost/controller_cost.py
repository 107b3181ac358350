"""Measures what the controller itself costs a call, before null runtimes; see ``overhead.py``."""

from __future__ import annotations

import asyncio
import itertools
import resource
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import quantiles

from launch.bench.cost.probe_load import WAITING_TOKENS, BenchError, ProbeLoad
from launch.bench.stand import HOST, RUNTIMES, NullStand, null_stand

WINDOW_TOKENS = 2 * WAITING_TOKENS - 1
"""Beside one waiting call's prompt no second one fits, but several probes do, cached but for their tail."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles in milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """One measurement.  ``overhead`` is dispatch and answer together, call by call; ``client`` is what a lone
    client waits.  ``cpu_ms_per_call`` is the controller's processor time, ``cpu_share`` of its core.
    """

    prompt_tokens: int
    waiting_calls: int
    calls: int
    dispatch_ms: Spread
    answer_ms: Spread
    overhead_ms: Spread
    client_ms: Spread
    calls_per_second: float
    cpu_ms_per_call: float
    cpu_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPlan:
    """What to measure: each prompt length with each number of waiting calls, ``calls`` one by one, then with
    ``clients`` at a time for ``seconds``."""

    prompt_tokens: Sequence[int]
    waiting_calls: Sequence[int]
    calls: int
    clients: int
    seconds: float


async def measure(plan: CostPlan) -> tuple[list[CostRow], int | None]:
    """Return the rows of ``plan`` and the controller's core (``None``: there is only one).

    Raises:
        BenchError: a figure can't be trusted.
        ChildError: a process of the stand doesn't start.
    """
    _raise_file_limit()
    most = max(plan.waiting_calls)
    async with null_stand(WINDOW_TOKENS, most + 1000) as place:
        with closing(ProbeLoad(HOST, place.port)) as client:
            cases = itertools.product(plan.prompt_tokens, plan.waiting_calls)
            return [await _row(plan, place, client, *case) for case in cases], place.core


async def _row(plan: CostPlan, place: NullStand, client: ProbeLoad, tokens: int, waiting: int) -> CostRow:
    await client.warm_up(tokens, RUNTIMES)
    async with client.waiting(waiting, RUNTIMES):
        before = await client.finished()
        probes = [await client.probe(tokens) for _ in range(plan.calls)]
        cpu, started = place.cpu_seconds(), time.perf_counter()
        counts = await asyncio.gather(
            *(_repeat(client, tokens, started + plan.seconds) for _ in range(plan.clients))
        )
        seconds, cpu = time.perf_counter() - started, place.cpu_seconds() - cpu
        answered = sum(counts)
        finished = await client.finished() - before
    if finished != plan.calls + answered:
        raise BenchError(f"{plan.calls + answered} calls were answered, the server counted {finished}")
    return CostRow(
        prompt_tokens=tokens,
        waiting_calls=waiting,
        calls=finished,
        dispatch_ms=spread([probe.dispatch for probe in probes]),
        answer_ms=spread([probe.answer for probe in probes]),
        overhead_ms=spread([probe.overhead for probe in probes]),
        client_ms=spread([probe.client for probe in probes]),
        calls_per_second=answered / seconds,
        cpu_ms_per_call=cpu / answered * 1e3,
        cpu_share=cpu / seconds,
    )


async def _repeat(client: ProbeLoad, tokens: int, until: float) -> int:
    count = 0
    while not count or time.perf_counter() < until:
        await client.probe(tokens)
        count += 1
    return count


def spread(milliseconds: Sequence[float]) -> Spread:
    """Return the percentiles of at least two values."""
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return Spread(cuts[49], cuts[89], cuts[98])


def _raise_file_limit() -> None:
    """A waiting call is a connection, here and at the controller."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
