"""From a resolved configuration to the processes of a server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.wire.link_keys import new_keys
from engine.wire.worker_spec import WorkerSpec
from launch.checks import LINK_HOST, free_port
from launch.demo_assets import build_demo_database, demo_database, demo_model
from launch.server.config import EMBEDDED, SHOWN_LEVELS, ControllerSpec, RuntimeConfig, ServerConfig
from launch.server.devices import Machine
from launch.server.model_folders import calibration_folder
from launch.server.starter import ChildSpec, Family


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """What is about to be started.  ``embedded`` is the embedded model's folder where it is served."""

    config: ServerConfig
    machine: Machine
    embedded: str | None

    def family_in(self, folder: Path) -> Family:
        """Return the processes, linked by a socket in the private ``folder``, or over TCP with new keys."""
        endpoint = f"ipc://{folder}/controller"
        controller = self.controller_spec(endpoint, folder)
        workers = self.worker_specs(endpoint, folder)
        if self.config.link == "tcp":
            endpoint = f"tcp://{LINK_HOST}:{self.config.link_port or free_port(LINK_HOST)}"
            own, keys = new_keys(worker.name for worker in workers)
            controller = replace(controller, endpoint=endpoint, keys=own)
            workers = [replace(worker, endpoint=endpoint, keys=keys[worker.name]) for worker in workers]
        return Family(
            ChildSpec(label="controller", command=_module("launch.controller"), line=controller.to_json()),
            [
                ChildSpec(
                    label=f"runtime {worker.name}",
                    command=_module("engine.worker"),
                    line=worker.to_json(),
                    runtime=worker.name,
                )
                for worker in workers
            ],
        )

    def controller_spec(self, endpoint: str, folder: Path | None = None) -> ControllerSpec:
        """Return the controller's instructions; the tokenizer comes from the first runtime's model.

        ``folder`` is shared by the server's processes; it has the journal unless the configuration names one.
        """
        config, first = self.config, self.config.runtime[0]
        model = self._model_path(first)
        return ControllerSpec(
            config=replace(config, journal=config.journal or (str(folder / "journal") if folder else None)),
            endpoint=endpoint,
            model_path=model,
            served_model_name=str(first.args.get("served_model_name", Path(model).name)),
            embedded_model=self.embedded is not None,
            policy_path=str(Path.cwd()),
            shared_folder=str(folder) if folder else None,
        )

    def worker_specs(self, endpoint: str, folder: Path | None = None) -> Sequence[WorkerSpec]:
        """Return the workers' instructions; on CPU each gets a core of its own."""
        return [
            self._worker_spec(i, runtime, endpoint, folder) for i, runtime in enumerate(self.config.runtime)
        ]

    def _worker_spec(
        self, index: int, runtime: RuntimeConfig, endpoint: str, folder: Path | None
    ) -> WorkerSpec:
        arguments = dict(runtime.args)
        if runtime.mem_fraction_static is not None:
            arguments["mem_fraction_static"] = runtime.mem_fraction_static
        if self.config.log_level in SHOWN_LEVELS and not self.config.simulated:
            arguments.setdefault("log_level", self.config.log_level)
        on_core = not (runtime.gpus or self.config.simulated)
        return WorkerSpec(
            name=runtime.name,
            endpoint=endpoint,
            model_path=self._model_path(runtime),
            device="cuda" if runtime.gpus else "cpu",
            gpu_ids=runtime.gpus,
            cpu_core=self.machine.cores[index] if on_core else None,
            engine_args=arguments,
            sm_share=runtime.sm_share,
            slowdown=runtime.slowdown,
            simulated=self.config.simulated,
            kv_events=not self.config.no_kv_events,
            calibration_folder=None if self.config.no_calibration else str(calibration_folder()),
            prefill_budget=self.config.prefill_budget,
            recalibrate=self.config.recalibrate,
            log_level=self.config.log_level,
            drain_seconds=self.config.drain_seconds,
            shared_folder=str(folder) if folder else None,
        )

    def _model_path(self, runtime: RuntimeConfig) -> str:
        return self.embedded if self.embedded and runtime.model_path == EMBEDDED else runtime.model_path


def prepare(config: ServerConfig, machine: Machine) -> ServerPlan:
    """Find the embedded model and make the demo database where ``config``, a resolved one, asks for them.

    Raises:
        ConfigError: the cache folder can't be used, or the model is missing.
    """
    serves_embedded = any(runtime.model_path == EMBEDDED for runtime in config.runtime)
    embedded = demo_model() if serves_embedded else None
    if str(demo_database()) in config.databases.values():
        build_demo_database()
    return ServerPlan(config, machine, embedded)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)
