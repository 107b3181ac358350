"""The whole stack under the API, real but for models, sockets and databases (``api_fakes.py``)."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
import orjson
import uvicorn
from fastapi import FastAPI
from tokenizers import Tokenizer, models, pre_tokenizers

from engine.controller.controller import Controller
from engine.controller.core_driver import CoreDriver, DriverOptions
from engine.controller.external_workflows import ExternalWorkflows
from engine.controller.journal.journal import Journal
from engine.controller.live_steps import Services
from engine.controller.prompt_encoder import PromptEncoder
from engine.controller.timeline import WorkflowRecord
from engine.controller.worker_table import WorkerTable
from engine.controller.workflow_records import KEPT_BYTES
from engine.controller.workflow_runner import WorkflowRunner
from engine.wire.link import RouterLink
from launch.api.app import create_app
from launch.api.hosts import AllowedHosts
from launch.api.http_protocol import PatientProtocol
from launch.api.metrics.counters import MeteredSql, Meters
from launch.api.metrics.metrics_page import Metrics
from launch.api.openai.logprobs import TokenBytes
from launch.api.openai.served_model import ServedModel
from launch.api.services import ApiServices
from launch.api.work_bounds import WorkBounds
from launch.served_databases import ServedDatabase
from launch.shipped import admission_registry, ordering_registry, placement_registry
from plugins.text2sql.program import Chess
from plugins.workflow_kind import ServedWorkflow, WorkflowKind
from sched.clock import Clock, monotonic
from sched.dispatcher import Dispatcher
from sched.limits import CoreLimits
from sched.liveness import LifeLimits
from tests.launch.api.api_fakes import FakeLink, FakeSql, FakeText2Sql, FakeWorker
from tests.waiting import GUARD_SECONDS, reached

SLO_SECONDS = 600.0
MODEL_INFO = {"model_path": "fake", "is_generation": True}


@dataclass
class Api:
    """A running stack; ``client`` talks to the app in this process, ``text2sql`` is its workflow."""

    app: FastAPI
    client: httpx.AsyncClient
    controller: Controller
    dispatcher: Dispatcher
    runner: WorkflowRunner
    workers: list[FakeWorker]
    text2sql: FakeText2Sql
    databases: list[str]
    notices: list[str]

    @property
    def worker(self) -> FakeWorker:
        return self.workers[0]

    def latest(self, limit: int) -> list[WorkflowRecord]:
        """Return up to ``limit`` workflows, newest first, open ones before others."""
        records = self.controller.records
        names = [orjson.loads(summary)["workflow_id"] for summary in records.summaries(limit)]
        return [record for name in names if (record := records.get(name)) is not None]

    async def generate(self, **body: Any) -> httpx.Response:
        return await self.client.post("/generate", json={"text": "one two three"} | body)


def answered(api: Api, path: str, status: int) -> float:
    """Return how many responses on ``path`` have begun with ``status``."""
    labels = {"path": path, "status": str(status)}
    registry = api.app.state.services.metrics.meters.registry
    return registry.get_sample_value("sluice_http_responses_total", labels) or 0.0


def words(count: int) -> str:
    """Return a text of ``count`` tokens."""
    return " ".join(["word"] * count)


def events(text: str) -> list[tuple[str, Any]]:
    """Return the server-sent events in ``text``: name and JSON data, ``[DONE]`` as it is."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        found.append((fields.get("event", "message"), data if data == "[DONE]" else orjson.loads(data)))
    return found


class ManualLimits:
    """Limits on the wait for a runtime's reply that pass when they are told to."""

    def __init__(self, api: Api) -> None:
        self.seconds: list[float] = []
        self._open: list[asyncio.Timeout] = []
        api.controller._driver.worker_commands.limit = self._limit

    @asynccontextmanager
    async def _limit(self, seconds: float) -> AsyncIterator[None]:
        self.seconds.append(seconds)
        async with asyncio.timeout(None) as limit:
            self._open.append(limit)
            try:
                yield
            finally:
                self._open.remove(limit)

    async def passed(self, asked: int, silent: int) -> None:
        """Once ``asked`` runtimes were asked and all but ``silent`` have replied, end the wait for these."""
        await reached(lambda: len(self.seconds) == asked and len(self._open) == silent)
        for limit in self._open:
            limit.reschedule(asyncio.get_running_loop().time())


CHESS = Chess()
PATIENT = LifeLimits(lost_seconds=math.inf)
"""Fake workers send no heartbeats by themselves."""


@asynccontextmanager
async def api_stack(
    runtimes: tuple[str, ...] = ("r0",),
    up: int | None = None,
    max_body_bytes: int = 100_000,
    bounds: WorkBounds | None = None,
    ordering: str = "fcfs",
    admission: str = "always",
    kind: WorkflowKind = CHESS,
    workflow: ServedWorkflow | None = None,
    clock: Clock = monotonic,
    limits_of_life: LifeLimits = PATIENT,
    journal: Journal | None = None,
    kept_bytes: int = KEPT_BYTES,
    make_worker: Callable[[FakeLink, str], FakeWorker] = FakeWorker,
    **limits: Any,
) -> AsyncIterator[Api]:
    """Yield a stack with ``runtimes``, of which the first ``up`` (default: all) have said hello.

    ``workflow``, of ``kind``, answers questions instead of the fake one; ``clock`` is the controller's.
    """
    link, notices = FakeLink(), list[str]()
    workers = [make_worker(link, name) for name in runtimes]
    policies = placement_registry().load("least_work"), ordering_registry().load(ordering)
    dispatcher = Dispatcher(*policies, CoreLimits(**limits), admission=admission_registry().load(admission))
    meters = Meters()
    driver = CoreDriver(
        cast(RouterLink, link),
        dispatcher,
        WorkerTable(runtimes, allow_simulated=False, limits=limits_of_life, clock=clock),
        DriverOptions(epoch="epoch0", tick_seconds=0.05, kept_bytes=kept_bytes),
        clock=clock,
        observer=meters,
        journal=journal,
        notify=notices.append,
    )
    controller = Controller(driver)
    encoder = PromptEncoder(_tokenizer())
    runner = WorkflowRunner(
        Services(controller, encoder, MeteredSql(FakeSql(), meters), 60.0), timeout_seconds=600.0
    )
    text2sql = FakeText2Sql()
    databases = ["shop"]
    services = ApiServices(
        controller=controller,
        runner=runner,
        external=ExternalWorkflows(controller, SLO_SECONDS),
        encoder=encoder,
        model_info=MODEL_INFO,
        databases=lambda: [ServedDatabase(name, "sqlite") for name in databases],
        default_slo_seconds=SLO_SECONDS,
        kind=kind,
        workflow=workflow or text2sql,
        metrics=Metrics(meters, driver),
        model=ServedModel(name="fake", token_bytes=TokenBytes(encoder.tokenizer)),
    )
    app = create_app(services, AllowedHosts("api"), max_body_bytes, bounds)
    driver.start()
    try:
        for worker in workers[:up]:
            worker.hello()
        await reached(lambda: len(controller.workers) == len(workers[:up]))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield Api(app, client, controller, dispatcher, runner, workers, text2sql, databases, notices)
    finally:
        await runner.drain(0.0)
        await driver.close()
        encoder.close()


def _tokenizer() -> Tokenizer:
    """Return a tokenizer for which each word is a token."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """Serve ``app`` with uvicorn on 127.0.0.1; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(
        uvicorn.Config(
            app, http=PatientProtocol, log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await reached(lambda: server.started)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        async with asyncio.timeout(GUARD_SECONDS):
            await task
