"""Real questions, or a trace's workflows, to a real server: closed-loop clients, runtimes that run SGLang."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from launch.bench.cost.probe_load import BenchError
from launch.bench.replay.endpoint import Endpoint
from launch.bench.replay.player import Patience, PlayedItem, play
from launch.bench.stand import HOST, processes
from launch.checks import free_port
from launch.server.config import ServerConfig
from launch.server.devices import detect
from launch.server.plan import prepare
from launch.server.resolve import resolve
from sched.traces.trace_format import TraceWorkflow

_START_SECONDS = 300.0
_ANSWER_SECONDS = 300.0
_SLO_SECONDS = 60.0
_THINGS = ("customers", "orders", "products", "suppliers", "reviews")
_PLACES = ("Germany", "France", "Italy", "Spain", "Turin", "Lyon", "Austria", "Poland")
_FORMS = (
    "How many {things} are there in {place}?",
    "Which {things} from {place} had the most orders last year?",
    "List the names of all {things} in {place} by price.",
    "What did {things} from {place} cost on average in 2023?",
)


@dataclass(frozen=True, slots=True)
class LiveStand:
    """A running server on ``port`` whose runtimes are all ready."""

    port: int

    async def ask(
        self, clients: int, seconds: float, seed: int = 0, **options: Any
    ) -> list[Mapping[str, Any]]:
        """Let ``clients`` ask one question after another for ``seconds``; return the answered workflows.

        Each is what ``GET /v1/workflows/{id}`` says of it, in the order of their ends.

        Raises:
            BenchError: a question isn't answered.
        """
        rng, until, found = random.Random(seed), time.monotonic() + seconds, list[Mapping[str, Any]]()
        async with self._client() as client:

            async def questions() -> None:
                while time.monotonic() < until:
                    form, things, place = rng.choice(_FORMS), rng.choice(_THINGS), rng.choice(_PLACES)
                    question = form.format(things=things, place=place)
                    body = {"question": question, "database": "shop", **options}
                    answer = await client.post("/v1/text2sql", json=body)
                    if answer.is_error:
                        raise BenchError(f"a question was answered with {answer.status_code}: {answer.text}")
                    found.append((await client.get(f"/v1/workflows/{answer.json()['workflow_id']}")).json())

            async with asyncio.TaskGroup() as group:
                for _ in range(clients):
                    group.create_task(questions())
        return found

    async def replay(
        self, workflows: Sequence[TraceWorkflow], clients: int, seconds: float
    ) -> list[Mapping[str, Any]]:
        """Let ``clients`` play one of ``workflows`` after another for ``seconds``, no question twice; return
        them as :meth:`ask` does.

        Raises:
            BenchError: one fails.
        """
        until, found, numbers = time.monotonic() + seconds, list[Mapping[str, Any]](), itertools.count()
        endpoint = Endpoint(f"http://{HOST}:{self.port}", "sluice")

        async def workflows_in_turn() -> None:
            while time.monotonic() < until:
                number = next(numbers)
                told = {"id": f"replay-{number}", "arrival": 0.0}
                workflow = workflows[number % len(workflows)].model_copy(update=told)
                item = PlayedItem(workflow, 0.0, workflow.slo_seconds or _SLO_SECONDS)
                (outcome,) = await play([item], endpoint, Patience(), hide_lengths=True)
                if outcome.error is not None:
                    raise BenchError(f"workflow {number} of the trace failed: {outcome.error}")
                found.append(await self.get(f"/v1/workflows/{workflow.id}"))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(clients):
                    group.create_task(workflows_in_turn())
        finally:
            await endpoint.close()
        return found

    async def get(self, path: str) -> Any:
        """Return the JSON at ``path``."""
        async with self._client() as client:
            answer = await client.get(path)
            answer.raise_for_status()
            return answer.json()

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=1000)
        return httpx.AsyncClient(
            base_url=f"http://{HOST}:{self.port}", timeout=_ANSWER_SECONDS, trust_env=False, limits=limits
        )


@asynccontextmanager
async def live_stand(config: ServerConfig) -> AsyncIterator[LiveStand]:
    """Start a server as ``config`` says, on a free port; end it on leaving.

    Raises:
        ChildError: a process doesn't start.
        ConfigError: the configuration is wrong.
    """
    machine = detect(os.environ)
    plan = prepare(resolve(replace(config, port=free_port()), machine), machine)
    async with processes() as stand:
        family = plan.family_in(stand.folder)
        children = [await stand.start(spec) for spec in (family.controller, *family.workers)]
        for child in children:
            await child.until_ready(_START_SECONDS)
        yield LiveStand(plan.config.port)


def calls_of(workflows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the finished calls in the workflows' timelines."""
    entries = [entry for workflow in workflows for entry in workflow["timeline"]]
    return [e for e in entries if e["kind"] == "call" and e["state"] == "finished" and e["decision"]]
