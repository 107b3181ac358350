"""The controller process: HTTP in front, workflows and the core in the middle, the workers behind.

``python -m launch.controller --status-fd N`` is started by the launcher, which writes a
``ControllerSpec`` as one line to its standard input and keeps that open: its end means that the
launcher is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI

from engine.controller import Controller
from engine.exchange import Exchange, ExchangeOptions
from engine.external import ExternalWorkflows
from engine.journal import Journal
from engine.link import RouterLink
from engine.observer import Observer, Observers
from engine.recorder import Recorder
from engine.runner import WorkflowRunner
from engine.status import Status
from engine.steps import Services
from engine.tokens import PromptEncoder
from engine.workers import WorkerTable
from launch.api.app import ApiServices, create_app
from launch.api.meters import MeteredSql, Meters
from launch.api.metrics import Metrics
from launch.api.openai.model import ServedModel
from launch.checks import listen
from launch.config import ControllerSpec
from launch.lifeline import follow, read_instructions
from launch.model_info import model_info
from launch.models import cache_folder, declared_context
from launch.policies import admission_registry, ordering_registry, placement_registry
from launch.profiles import ProfileFile
from launch.tuning.live import LiveTuner
from launch.workflow_options import text2sql_options
from plugins.text2sql.databases import DatabaseRegistry
from plugins.text2sql.retrieval import Retriever
from plugins.text2sql.workflow import Text2Sql
from sched.dispatcher import Dispatcher
from sched.errors import SluiceError
from sched.profile import PUBLISHED
from sched.workflow import Segment

logger = logging.getLogger(__name__)

LOST_AFTER_SECONDS = 10.0
"""A worker that sends no heartbeat for so long is lost; its heart beats every second, in a thread."""
SQL_TIMEOUT_SECONDS = 10.0
WORKFLOW_TIMEOUT_FACTOR = 4.0
"""A workflow may take so many times the limit of one call."""
_LAST_RESPONSES_SECONDS = 5
_GC_THRESHOLDS = (50_000, 20, 100)
"""At Python's own, looking at 5,000 waiting calls again and again takes several per cent of the time."""


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: this process has one owner of its end."""

    def install_signal_handlers(self) -> None:
        """Leave signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the process is made of, in order of the data's way."""

    exchange: Exchange
    runner: WorkflowRunner
    databases: DatabaseRegistry
    encoder: PromptEncoder
    text2sql: Text2Sql
    retriever: Retriever
    tuner: LiveTuner
    profiles: ProfileFile
    app: FastAPI


def _build(spec: ControllerSpec) -> _Parts:
    """Put the process together; needs a running event loop.

    Raises:
        ConfigError: a policy or database can't be loaded.
    """
    profiles = ProfileFile(None if spec.simulated else spec.model_path)
    dispatcher = Dispatcher(
        placement_registry().load(spec.placement),
        ordering_registry().load(spec.ordering),
        spec.limits(),
        profiles.load(),
        admission=admission_registry().load(spec.admission),
    )
    workers = WorkerTable(
        spec.runtimes, allow_simulated=spec.simulated, lost_after_seconds=LOST_AFTER_SECONDS
    )
    options = ExchangeOptions(epoch=uuid.uuid4().hex, call_timeout_seconds=spec.call_timeout_seconds)
    meters = Meters(PUBLISHED)
    journal = Journal(Path(spec.journal)) if spec.journal else None
    link = RouterLink(spec.endpoint)
    encoder = PromptEncoder.load(spec.model_path)
    tuner = LiveTuner(spec)
    observer = Observers(meters, *_recorder(spec, encoder), *([tuner.observer] if tuner.enabled else []))
    exchange = Exchange(link, dispatcher, workers, options, observer=observer, journal=journal)
    controller = Controller(exchange)
    databases = DatabaseRegistry()
    for name, path in spec.databases.items():
        databases.register(name, Path(path))
    sql = MeteredSql(databases, meters)
    services = Services(controller, encoder, sql, SQL_TIMEOUT_SECONDS)
    runner = WorkflowRunner(services, WORKFLOW_TIMEOUT_FACTOR * spec.call_timeout_seconds)
    retriever = Retriever(databases, cache_folder() / "indexes")
    text2sql = Text2Sql(databases, text2sql_options(spec, encoder.tokenizer), retriever)
    for name in databases.names():
        text2sql.prepare(name)
    app = create_app(
        ApiServices(
            controller=controller,
            runner=runner,
            external=ExternalWorkflows(controller, spec.default_slo_seconds),
            encoder=encoder,
            model_info=model_info(spec),
            databases=lambda: list(databases.names()),
            default_slo_seconds=spec.default_slo_seconds,
            text2sql=text2sql,
            tuner=tuner,
            metrics=Metrics(meters, exchange),
            model=ServedModel.load(spec.served_model_name, spec.model_path, encoder.tokenizer),
        )
    )
    return _Parts(exchange, runner, databases, encoder, text2sql, retriever, tuner, profiles, app)


def _recorder(spec: ControllerSpec, encoder: PromptEncoder) -> Sequence[Observer]:
    if spec.record is None:
        return ()
    return (Recorder(Path(spec.record), encoder.texts if spec.record_prompts else None),)


async def _check_prompts(parts: _Parts, context_tokens: int | None) -> None:
    """Refuse prompts for which the model has no room, as far as its context is known.

    Raises:
        ConfigError: names the option and the remedy.
    """

    async def count(segments: Sequence[Segment]) -> int:
        return (await parts.encoder.encode(segments)).tokens

    for name in parts.databases.names() if context_tokens else ():
        assert context_tokens is not None
        await parts.text2sql.check_context(name, context_tokens, count)


async def _serve(spec: ControllerSpec, status: Status) -> None:
    """Serve until SIGTERM or until the launcher is gone, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = listen(spec.host, spec.port)
    parts = _build(spec)
    gc.freeze()
    lifeline = asyncio.create_task(follow(parts.exchange.worker_died), name="lifeline")
    lifeline.add_done_callback(lambda _: stop.set())
    # Refused within seconds where the model's files say its context; its runtimes say it in the end.
    await _check_prompts(parts, None if spec.simulated else declared_context(spec.model_path))
    server = _Server(
        uvicorn.Config(
            parts.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            timeout_graceful_shutdown=_LAST_RESPONSES_SECONDS,
        )
    )
    parts.exchange.start()
    parts.tuner.start(parts.exchange)
    parts.profiles.start(parts.exchange.dispatcher.profile)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        status("listening")
        stopping = asyncio.create_task(stop.wait())
        complete = asyncio.create_task(parts.exchange.complete.wait())
        ends = {serving, stopping}
        await asyncio.wait(ends | {complete}, return_when=asyncio.FIRST_COMPLETED)
        if complete.done():
            await _check_prompts(parts, parts.exchange.workers.context_length)
            status("ready")
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await parts.runner.drain(spec.drain_seconds)
    finally:
        lifeline.cancel()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        await parts.tuner.close()
        await parts.profiles.close(parts.exchange.dispatcher.profile)
        await parts.exchange.close()
        parts.retriever.close()
        parts.databases.close()
        parts.encoder.close()


def main() -> int:
    """Run the controller and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m launch.controller", description=__doc__)
    parser.add_argument("--status-fd", type=int, required=True, help="where stages are reported")
    status = Status(parser.parse_args().status_fd)
    try:
        spec = ControllerSpec.from_json(read_instructions())
        logging.basicConfig(
            level=spec.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        sys.path.append(spec.policy_path)
        gc.set_threshold(*_GC_THRESHOLDS)
        uvloop.run(_serve(spec, status))
    except (SluiceError, OSError, TypeError, ValueError) as error:
        status("failed", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
