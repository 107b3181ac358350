"""Test stands: real processes of a server, started for a measurement and ended after it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from launch.bench.cost.null_runtimes import NullSpec
from launch.bench.cost.probe_load import BenchError
from launch.checks import free_port
from launch.demo_assets import demo_model
from launch.server.child import Child
from launch.server.config import EMBEDDED, ControllerSpec, RuntimeConfig, ServerConfig
from launch.server.devices import Machine, detect
from launch.server.local_starter import LocalStarter
from launch.server.plan import ServerPlan, prepare
from launch.server.resolve import resolve
from launch.server.starter import ChildSpec
from sched.predict.calibration import Calibration, read_calibration

HOST = "127.0.0.1"
RUNTIMES = ("null-0", "null-1")

_END_SECONDS = 10.0
_START_SECONDS = 300.0


def plan_here(config: ServerConfig) -> ServerPlan:
    """Return the plan of ``config`` on this machine, without databases.

    Raises:
        ConfigError: the configuration doesn't fit the machine.
    """
    machine = detect(os.environ)
    return prepare(replace(resolve(config, machine), databases={}), machine)


def calibration_in(folder: Path) -> Calibration:
    """Return what a worker with this ``calibration_folder`` found.

    Raises:
        BenchError: nothing.
    """
    files = list(folder.glob("*.json"))
    if not files:
        raise BenchError(f"the runtime of {folder.name} could not be calibrated: start it on an idle machine")
    return read_calibration(files[0])


@dataclass(frozen=True, slots=True)
class Processes:
    """Children whose logs, sockets and temporary files lie in ``folder``."""

    folder: Path
    children: list[Child]

    async def start(self, spec: ChildSpec, cores: Sequence[int] = ()) -> Child:
        """Start a child, on ``cores`` if there are any."""
        child = await Child.start(LocalStarter(), spec, self.folder, lambda *_: None)
        self.children.append(child)
        if cores:
            os.sched_setaffinity(child.pid, cores)  # its threads, started later, inherit it
        return child


@asynccontextmanager
async def processes() -> AsyncIterator[Processes]:
    """Yield an empty stand; what was started on it is ended on leaving."""
    stand = Processes(Path(tempfile.mkdtemp(prefix="bench-")), [])
    try:
        yield stand
    finally:
        for child in stand.children:
            child.terminate()
        for child in stand.children:
            if not await child.gone(_END_SECONDS):
                child.kill()
        shutil.rmtree(stand.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class NullStand:
    """A running controller before null runtimes; ``core`` is its core, ``None`` where there is only one."""

    port: int
    pid: int
    core: int | None

    def cpu_seconds(self) -> float:
        """Return the processor time that the controller has used."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def null_stand(window_tokens: int, max_waiting_calls: int) -> AsyncIterator[NullStand]:
    """Start a controller and null runtimes; end them on leaving.

    The controller gets the last core of this process, the null runtimes and this process the others.

    Raises:
        ChildError: a process doesn't start.
        ConfigError: the tokenizer can't be made.
    """
    *others, core = sorted(os.sched_getaffinity(0))
    config = ServerConfig(
        port=free_port(),
        window_tokens=window_tokens,
        max_waiting_calls=max_waiting_calls,
        max_open_workflows=1_000_000,
        call_timeout_seconds=3600.0,
        drain_seconds=1.0,
        simulated=True,
        admission="always",
        placement="least_work",  # spreads over both runtimes even calls that share a prefix
        ordering="urgency",  # lets a call with a near deadline pass those that wait
        runtime=tuple(RuntimeConfig(name=name, model_path=EMBEDDED) for name in RUNTIMES),
    )
    async with processes() as stand:
        # The embedded model is there for its tokenizer.
        family = ServerPlan(config, Machine((), ()), demo_model()).family_in(stand.folder)
        controller = await stand.start(family.controller, [core])
        null = await stand.start(_null_runtimes(family.controller), others)
        for child in (null, controller):
            await child.until_ready(_START_SECONDS)
        if others:
            os.sched_setaffinity(0, others)
        try:
            yield NullStand(config.port, controller.pid, core if others else None)
        finally:
            os.sched_setaffinity(0, [*others, core])


def _null_runtimes(controller: ChildSpec) -> ChildSpec:
    """Return the process that stands for the runtimes of ``controller``."""
    told = ControllerSpec.from_json(controller.line)
    command = (sys.executable, "-m", "launch.bench.cost.null_runtimes")
    spec = NullSpec(endpoint=told.endpoint, names=told.runtimes)
    return ChildSpec(label="null runtimes", command=command, line=spec.to_json())
