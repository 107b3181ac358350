"""The load of the overhead measurement: calls that are answered, and calls that wait beside them."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from launch.bench.cost.http_client import Connection, HttpAnswer
from launch.bench.cost.null_runtimes import HELD_ID, OUTPUT_TOKENS

TAIL_TOKENS = 32
"""Probes of one length share all but their last tokens, as the prompts of a stage do."""
WAITING_TOKENS = 256
"""Prompt of a waiting call."""
STAGE = "probe"

_IDS = (10_000, 99_999)
_WARM_UPS = 20
_PROBE_SECONDS = 60.0
_IDLE_SECONDS = 2.0
"""The server closes a connection that is idle for 5 seconds."""
_SETTLE_SECONDS = 60.0
_POLL_SECONDS = 0.05


class BenchError(Exception):
    """A measurement that can't be trusted; the message says why."""


@dataclass(frozen=True, slots=True)
class Probe:
    """An answered call: what the client waited and the controller's own work, in milliseconds."""

    client: float
    dispatch: float
    answer: float
    runtime: str

    @property
    def overhead(self) -> float:
        """The controller's work on the way in and out."""
        return self.dispatch + self.answer


class ProbeLoad:
    """Clients of the stand at ``host`` and ``port``; ``close`` them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._idle: list[tuple[float, Connection]] = []
        self._random = random.Random(0)
        self._numbers = itertools.count(_IDS[0])
        self._prompts: dict[int, tuple[str, str]] = {}

    def close(self) -> None:
        """Close the connections."""
        for _, connection in self._idle:
            connection.close()

    async def probe(self, tokens: int) -> Probe:
        """Send a call of ``tokens`` prompt tokens that is answered at once.

        Raises:
            BenchError: another status than 200.
        """
        head, tail = self._shared(tokens)
        body = self._body(f"{head},{next(self._numbers)},{tail}", STAGE, slo_seconds=30)
        started = time.perf_counter()
        answer = await self._request("POST", "/generate", body)
        milliseconds = (time.perf_counter() - started) * 1e3
        parts = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
        runtime = answer.body.split(b'"runtime":"', 1)[1].split(b'"', 1)[0].decode()
        return Probe(milliseconds, float(parts["dispatch"]), float(parts["answer"]), runtime)

    async def warm_up(self, tokens: int, runtimes: Sequence[str]) -> None:
        """Send probes until every runtime has seen the prefix, and the code is warm.

        Raises:
            BenchError: a runtime gets no call.
        """
        seen: set[str] = set()
        for _ in range(_WARM_UPS):
            probes = await asyncio.gather(*(self.probe(tokens) for _ in range(16)))
            seen |= {probe.runtime for probe in probes}
        if seen != set(runtimes):
            raise BenchError(f"only {sorted(seen)} of {sorted(runtimes)} got calls to warm up with")

    @asynccontextmanager
    async def waiting(self, count: int, runtimes: Sequence[str]) -> AsyncIterator[None]:
        """Keep ``count`` calls waiting in the controller.

        One call per runtime, never answered, fills the window; the others, relaxed, wait behind it in the
        queue through which the probes go.

        Raises:
            BenchError: it doesn't come to that.
        """
        tasks: list[asyncio.Task[None]] = []
        try:
            for number in range(len(runtimes)):
                tasks.append(asyncio.create_task(self._wait()))
                await self._until("sluice_calls_in_flight", number + 1, tasks)
            await self._until("sluice_waiting_calls", 0, tasks)
            tasks += [asyncio.create_task(self._wait()) for _ in range(count)]
            await self._until("sluice_waiting_calls", count, tasks)
            yield
            _check(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._until("sluice_calls_in_flight", 0)

    async def finished(self) -> int:
        """Return how many probes the server says it has finished."""
        return int(await self._read("sluice_calls_total", stage=STAGE, outcome="finished"))

    async def _wait(self) -> None:
        ids = ",".join(str(self._random.randint(*_IDS)) for _ in range(WAITING_TOKENS - 1))
        body = self._body(f"{HELD_ID},{ids}", "waiting", slo_seconds=86_400)
        connection = await Connection.open(*self._address)
        try:
            answer = await connection.request("POST", "/generate", body, seconds=None)
            raise BenchError(f"a call that must wait was answered with {answer.status}")
        finally:
            connection.close()

    async def _connection(self) -> Connection:
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < _IDLE_SECONDS:
                return connection
            connection.close()
        return await Connection.open(*self._address)

    async def _request(self, method: str, path: str, body: bytes = b"") -> HttpAnswer:
        connection = await self._connection()
        try:
            answer = await connection.request(method, path, body, _PROBE_SECONDS)
        except (TimeoutError, ConnectionError) as error:
            raise BenchError(f"{path} was not answered: {error!r}") from error
        self._idle.append((time.monotonic(), connection))
        if answer.status != 200:
            raise BenchError(f"{path} was answered with {answer.status}: {answer.body[:300]!r}")
        return answer

    def _shared(self, tokens: int) -> tuple[str, str]:
        """Return the ids before and after the one that makes a probe unlike all others."""
        if tokens not in self._prompts:
            ids = [str(self._random.randint(*_IDS)) for _ in range(tokens - 1)]
            cut = tokens - TAIL_TOKENS
            self._prompts[tokens] = ",".join(ids[:cut]), ",".join(ids[cut:])
        return self._prompts[tokens]

    async def _until(self, gauge: str, wanted: int, tasks: Sequence[asyncio.Task[None]] = ()) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while (value := await self._read(gauge)) != wanted:
            _check(tasks)
            if time.monotonic() > deadline:
                raise BenchError(f"{gauge} is {value:g} after {_SETTLE_SECONDS:g} s, not {wanted}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _read(self, name: str, **labels: str) -> float:
        page = (await self._request("GET", "/metrics")).body.decode()
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0.0

    @staticmethod
    def _body(ids: str, stage: str, slo_seconds: int) -> bytes:
        return (
            f'{{"input_ids":[{ids}],"sampling_params":{{"max_new_tokens":{OUTPUT_TOKENS},"temperature":0.0}},'
            f'"workflow":{{"stage":"{stage}","slo_seconds":{slo_seconds}}}}}'
        ).encode()


def _check(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Refuse calls that were to wait and have ended."""
    ended = [task for task in tasks if task.done()]
    if ended:
        raise BenchError(f"{len(ended)} waiting calls ended too soon: {ended[0].exception()!r}")
