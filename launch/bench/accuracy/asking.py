"""Asks a server a benchmark's questions under a load, and notes each answer as it comes."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from launch.bench.accuracy.accuracy_cells import AccuracyCell
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.given_answer import GivenAnswer, told_by

_SHOWN_CHARACTERS = 300
_CONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How questions are put: their deadline, how long an answer is waited for, the seed of arrivals."""

    slo_seconds: float
    timeout_seconds: float
    seed: int = 0


async def ask_all(
    url: str,
    cell: AccuracyCell,
    questions: Sequence[BenchmarkQuestion],
    asking: Asking,
    answered: Callable[[GivenAnswer], None],
) -> None:
    """Ask ``questions`` in their order under the cell's load; ``answered`` gets each answer.

    Clients of a closed loop ask one question after another.  In an open loop questions arrive by a Poisson
    process, whatever the server does, and their times count from then.  A question that is not answered is
    told with the reason.

    Raises:
        OSError: ``answered`` can't keep an answer; no further question is asked.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    timeout = httpx.Timeout(asking.timeout_seconds, connect=_CONNECT_SECONDS)
    # Without the environment's proxies: the server is on this machine or named by the user.
    async with httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, trust_env=False) as client:
        asker = _Asker(client, cell, asking, answered)
        try:
            if cell.load.kind == "clients":
                await asker.closed(questions, int(cell.load.value))
            else:
                await asker.open(questions, cell.load.value)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None


class _Asker:
    def __init__(
        self,
        client: httpx.AsyncClient,
        cell: AccuracyCell,
        asking: Asking,
        answered: Callable[[GivenAnswer], None],
    ) -> None:
        self._client = client
        self._cell = cell
        self._asking = asking
        self._answered = answered
        self._part = uuid.uuid4().hex[:8]
        self._clock = asyncio.get_running_loop().time
        self._begin = self._clock()

    async def closed(self, questions: Sequence[BenchmarkQuestion], clients: int) -> None:
        left: Iterator[BenchmarkQuestion] = iter(questions)

        async def ask_in_turn() -> None:
            for question in left:
                await self._ask(question, self._clock() - self._begin)

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(ask_in_turn())

    async def open(self, questions: Sequence[BenchmarkQuestion], rate: float) -> None:
        rng, due = random.Random(self._asking.seed), 0.0
        async with asyncio.TaskGroup() as group:
            for question in questions:
                due += rng.expovariate(rate)
                await asyncio.sleep(self._begin + due - self._clock())
                group.create_task(self._ask(question, due))

    async def _ask(self, question: BenchmarkQuestion, due: float) -> None:
        told = await self._told(question)
        seconds = self._clock() - self._begin - due
        self._answered(
            GivenAnswer(
                cell=self._cell.key, question=question.id, part=self._part, due=due, seconds=seconds, **told
            )
        )

    async def _told(self, question: BenchmarkQuestion) -> dict[str, Any]:
        body: dict[str, Any] = {
            "question": question.question,
            "database": question.database,
            "slo_seconds": self._asking.slo_seconds,
        }
        if question.evidence:
            body["evidence"] = question.evidence
        if self._cell.candidates is not None:
            body["candidates"] = self._cell.candidates
        try:
            async with asyncio.timeout(self._asking.timeout_seconds):
                answer = await self._client.post("/v1/text2sql", json=body)
            if answer.is_success:
                return told_by(answer.json())
            reason = f"status {answer.status_code}: {answer.text[:_SHOWN_CHARACTERS]}"
        except (TimeoutError, httpx.TimeoutException):
            reason = f"no answer after {self._asking.timeout_seconds:g} s"
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
        except (ValueError, KeyError, TypeError) as error:
            reason = f"not an answer of POST /v1/text2sql: {error!r}"
        return {"error": reason, "failed": True}
