"""What the controller process is made of, put together in the order of the data's way."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from engine.controller.controller import Controller
from engine.controller.core_driver import CoreDriver, DriverOptions
from engine.controller.external_workflows import MOST_IDLE, ExternalWorkflows
from engine.controller.journal.journal import Journal, JournalOptions
from engine.controller.live_steps import Services
from engine.controller.prompt_encoder import PromptEncoder
from engine.controller.recording.recorder import Recorder
from engine.controller.timeline_observers import TimelineObserver, TimelineObservers
from engine.controller.worker_table import WorkerTable
from engine.controller.workflow_runner import WorkflowRunner
from engine.wire.link import RouterLink
from launch.api.agents.recogniser import Recogniser
from launch.api.app import create_app
from launch.api.hosts import AllowedHosts
from launch.api.metrics.counters import MeteredSql, Meters
from launch.api.metrics.metrics_page import Metrics
from launch.api.openai.served_model import ServedModel
from launch.api.responses.response_store import ResponseStore
from launch.api.services import ApiServices
from launch.api.work_bounds import WorkBounds
from launch.controller.live_tuner import LiveTuner
from launch.controller.model_info import model_info
from launch.controller.profile_file import ProfileFile
from launch.controller.workflow_options import prompt_frames, prompt_profile, text2sql_options
from launch.served_databases import open_all, refuse_without_room, served
from launch.server.config import ControllerSpec, ServerConfig
from launch.shipped import admission_registry, ordering_registry, placement_registry, workflow_registry
from plugins.text2sql.databases.database_registry import CONCURRENCY, DatabaseRegistry
from plugins.text2sql.databases.model_dialect import DatabasesAsWritten
from plugins.text2sql.databases.processes.statement_processes import StatementProcesses
from plugins.text2sql.databases.schema_watch import SchemaWatch
from plugins.text2sql.retrieval.retrieval import Retriever
from plugins.workflow_kind import Resources, ServedWorkflow
from sched.dispatcher import Dispatcher
from sched.predict.stage_profile import PUBLISHED

WORKFLOW_TIMEOUT_FACTOR = 4.0
"""Time limit of a workflow, as a multiple of that of one call."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The process, ready to start."""

    driver: CoreDriver
    runner: WorkflowRunner
    databases: DatabaseRegistry
    processes: StatementProcesses
    watch: SchemaWatch
    encoder: PromptEncoder
    services: Services
    workflow: ServedWorkflow
    retriever: Retriever
    tuner: LiveTuner
    profiles: ProfileFile
    app: FastAPI

    @classmethod
    def build(cls, spec: ControllerSpec, notify: Callable[[str], None]) -> Parts:
        """Put the process together; needs a running event loop.  ``notify`` gets sentences for the user.

        Raises:
            ConfigError: a policy can't be loaded, or nothing of a database is shown.
        """
        config = spec.config
        meters, encoder, tuner = Meters(PUBLISHED), PromptEncoder.load(spec.model_path), LiveTuner(spec)
        profiles = ProfileFile(None if config.simulated else spec.model_path)
        recorder = _recorder(config, encoder)
        observer = TimelineObservers(meters, *recorder, *([tuner.observer] if tuner.enabled else []))
        driver = _driver(spec, profiles, observer, notify)
        controller = Controller(driver)
        processes = StatementProcesses(CONCURRENCY if config.databases else 0, config.sql_memory_bytes)
        databases = DatabaseRegistry(
            max_rows=config.max_rows, max_seconds=config.sql_timeout_seconds, runner=processes
        )
        open_all(databases, config.databases, config.database_options)
        model = ServedModel.load(spec.served_model_name, spec.model_path, encoder.tokenizer)
        profile = prompt_profile(spec, encoder.tokenizer)
        frames = prompt_frames(config, profile, model)
        sql = MeteredSql(databases, meters)
        services = Services(controller, encoder, sql, config.sql_timeout_seconds, frames)
        runner = WorkflowRunner(services, WORKFLOW_TIMEOUT_FACTOR * config.call_timeout_seconds)
        written = DatabasesAsWritten(databases, config.sql_dialect or profile.sql_dialect)
        retriever = Retriever(written, common=profile.common_words)
        kind = workflow_registry().load(config.workflow)
        options = text2sql_options(config, frames is not None and frames.model_thinks)
        workflow = kind.open(Resources(written, profile, options, retriever))
        for name in databases.names():
            workflow.prepare(name)
        external = ExternalWorkflows(
            controller, config.default_slo_seconds, min(MOST_IDLE, config.max_open_workflows // 2)
        )
        app = create_app(
            ApiServices(
                controller=controller,
                runner=runner,
                external=external,
                encoder=encoder,
                model_info=model_info(spec),
                databases=lambda: served(databases, config.databases),
                schema=databases.schema,
                default_slo_seconds=config.default_slo_seconds,
                kind=kind,
                workflow=workflow,
                tuner=tuner,
                metrics=Metrics(meters, driver),
                model=model,
                recogniser=None if config.no_recognise_agents else Recogniser(external.is_open),
                responses=ResponseStore(config.kept_responses, config.kept_response_bytes),
            ),
            AllowedHosts(config.host, config.allowed_hosts),
            bounds=WorkBounds(requests=config.max_http_requests, body_bytes=config.max_http_bytes),
        )
        watch = SchemaWatch(databases, changed=workflow.prepare)
        return cls(
            driver,
            runner,
            databases,
            processes,
            watch,
            encoder,
            services,
            workflow,
            retriever,
            tuner,
            profiles,
            app,
        )

    async def check_prompts(self, context_tokens: int | None) -> None:
        """Refuse databases for whose prompts the model has no room, as far as its context is known.

        Raises:
            ConfigError: none has room; names the option and the remedy.
        """
        if context_tokens:
            await refuse_without_room(self.databases, self.workflow, context_tokens, self.services.count)

    def start(self) -> None:
        """Begin to talk to workers, to watch the databases, to tune and to keep profiles."""
        self.driver.start()
        self.watch.start()
        self.tuner.start(self.driver)
        self.profiles.start(self.driver.dispatcher.profile)

    async def close(self) -> None:
        """End what :meth:`start` began, and close files and threads."""
        await self.tuner.close()
        await self.profiles.close(self.driver.dispatcher.profile)
        await self.driver.close()
        self.retriever.close()
        self.watch.close()
        self.databases.close()
        self.processes.close()
        self.encoder.close()


def _driver(
    spec: ControllerSpec, profiles: ProfileFile, observer: TimelineObserver, notify: Callable[[str], None]
) -> CoreDriver:
    config = spec.config
    dispatcher = Dispatcher(
        placement_registry().load(config.placement),
        ordering_registry().load(config.ordering),
        config.limits(),
        profiles.load(),
        admission=admission_registry().load(config.admission),
    )
    workers = WorkerTable(spec.runtimes, allow_simulated=config.simulated, limits=config.life_limits())
    options = DriverOptions(
        epoch=uuid.uuid4().hex,
        call_timeout_seconds=config.call_timeout_seconds,
        kept_bytes=config.kept_bytes,
    )
    journal_options = JournalOptions(max_bytes=config.journal_bytes, sync=config.journal_sync)
    journal = Journal(Path(config.journal), journal_options) if config.journal else None
    link = RouterLink(spec.endpoint, spec.keys)
    return CoreDriver(link, dispatcher, workers, options, observer=observer, journal=journal, notify=notify)


def _recorder(config: ServerConfig, encoder: PromptEncoder) -> Sequence[TimelineObserver]:
    if config.record is None:
        return ()
    return (Recorder(Path(config.record), encoder.texts if config.record_prompts else None),)
