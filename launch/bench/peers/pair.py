"""The runtimes of a comparison: the same pair twice, as stock SGLang servers and as Sluice's workers.

Both pairs live side by side on the same devices, so that runs of different systems can alternate; the one
that isn't measured is idle.  A router, or a controller, is started anew for each run, caches are emptied.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx

from engine.wire.worker_spec import WorkerSpec
from launch.bench.cost.probe_load import BenchError
from launch.bench.peers.design import Design
from launch.bench.peers.systems import System
from launch.bench.replay.endpoint import CallError, Endpoint
from launch.bench.stand import HOST, Processes, calibration_in, plan_here, processes
from launch.checks import free_port
from launch.server.child import Child
from launch.server.config import RuntimeConfig, ServerConfig
from launch.server.plan import ServerPlan
from launch.server.sources import read_config
from launch.server.starter import ChildSpec
from sched.predict.calibration import Calibration

_START_SECONDS = 300.0
_SWITCH_SECONDS = 60.0
_POLL_SECONDS = 0.2
_LONG_SECONDS = 1e6
"""Workers outlive the times when no controller runs."""
_NAMES = ("fast", "slow")


def pair_config(design: Design) -> ServerConfig:
    """Return the runtimes of ``design``; batching as in SGLang, unless its file says otherwise.

    Without a file they are two CPU runtimes of one model, the second slowed down.

    Raises:
        ConfigError: the file can't be read or holds something else.
    """
    if design.config:
        config = read_config(design.config)
        return replace(
            config,
            model_path=design.model_path or config.model_path,
            no_autotune=True,
            prefill_budget=config.prefill_budget or 0,
        )
    factors = (1.0, design.slowdown)
    tables = tuple(RuntimeConfig(name=n, slowdown=k) for n, k in zip(_NAMES, factors, strict=True))
    return ServerConfig(
        model_path=design.model_path, gpus=(), no_autotune=True, prefill_budget=0, runtime=tables
    )


@dataclass(slots=True)
class Pair:
    """Running servers; ``calibrations`` are of Sluice's workers, by name."""

    plan: ServerPlan
    stand: Processes
    stock: Sequence[str]
    calibrations: Mapping[str, Calibration]
    runs: int = 0

    @asynccontextmanager
    async def serving(self, system: System) -> AsyncIterator[Endpoint]:
        """Start ``system`` before its runtimes, whose caches are emptied; end it on leaving.

        Raises:
            BenchError: it doesn't serve in time.
            ChildError: its process doesn't start.
        """
        self.runs += 1
        port = free_port()
        if system.is_router:
            child = await self._router(system, port)
        else:
            child = await self._controller(system, port)
        endpoint = Endpoint(f"http://{HOST}:{port}", "sglang" if system.is_router else "sluice")
        try:
            await _flush([*self.stock] if system.is_router else [f"http://{HOST}:{port}"])
            yield endpoint
        finally:
            await endpoint.close()
            await _end(child)
            self.stand.children.remove(child)

    async def _router(self, system: System, port: int) -> Child:
        child = await self.stand.start(router_spec(f"router {self.runs}", system, port, self.stock))
        await until_answered([child], [f"http://{HOST}:{port}/readiness"], _SWITCH_SECONDS)
        return child

    async def _controller(self, system: System, port: int) -> Child:
        config = replace(
            self.plan.config,
            port=port,
            placement=system.placement,
            ordering=system.ordering,
            admission="always",  # the peers serve all
            max_waiting_calls=100_000,
            max_open_workflows=100_000,
            drain_seconds=1.0,
        )
        family = replace(self.plan, config=config).family_in(self.stand.folder)
        # It has learned nothing from the runs before.
        cache = {"XDG_CACHE_HOME": str(self.stand.folder / f"cache-{self.runs}")}
        spec = replace(family.controller, label=f"controller {self.runs}", environment=cache)
        child = await self.stand.start(spec)
        await child.until_ready(_SWITCH_SECONDS)
        return child


def router_spec(label: str, system: System, port: int, workers: Sequence[str]) -> ChildSpec:
    """Return SGLang's router with ``system``'s policy before servers at the addresses ``workers``."""
    flags = ("--host", HOST, "--port", str(port), "--worker-urls", *workers, "--log-level", "error")
    figures = ("--prometheus-host", HOST, "--prometheus-port", str(free_port()))
    command = (sys.executable, "-m", "launch.bench.peers.router", *flags, *figures, *system.flags)
    return ChildSpec(label=label, command=command, line=b"")


def stock_spec(spec: WorkerSpec, port: int) -> ChildSpec:
    """Return a stock SGLang server with the arguments and the device of a worker."""
    command = (sys.executable, "-m", "engine.sglang.stock_server", "--port", str(port))
    return ChildSpec(label=f"stock {spec.name}", command=command, line=spec.to_json())


@asynccontextmanager
async def running_pair(config: ServerConfig) -> AsyncIterator[Pair]:
    """Start the runtimes of ``config`` twice; end all processes on leaving.

    Raises:
        BenchError: a stock server doesn't start.
        ChildError: a worker doesn't start.
        ConfigError: ``config`` doesn't fit this machine.
    """
    plan = plan_here(config)
    async with processes() as stand:
        family = plan.family_in(stand.folder)
        # First alone: they calibrate themselves.
        specs = [WorkerSpec.from_json(worker.line) for worker in family.workers]
        folders = [stand.folder / f"calibration-{spec.name}" for spec in specs]
        controller = await stand.start(family.controller)
        for child, spec, folder in zip(family.workers, specs, folders, strict=True):
            ours = replace(spec, orphan_seconds=_LONG_SECONDS, calibration_folder=str(folder))
            await stand.start(replace(child, line=ours.to_json()))
        for started in list(stand.children):
            await started.until_ready(_START_SECONDS)
        await _end(controller)
        stand.children.remove(controller)
        found = zip(specs, folders, strict=True)
        calibrations = {spec.name: calibration_in(folder) for spec, folder in found}
        yield Pair(plan, stand, await _stock_servers(stand, specs), calibrations)


async def _stock_servers(stand: Processes, specs: Sequence[WorkerSpec]) -> list[str]:
    """Start a stock server per worker, with its arguments on its device, and return their addresses."""
    urls, children = [], []
    for spec in specs:
        port = free_port()
        children.append(await stand.start(stock_spec(spec, port)))
        urls.append(f"http://{HOST}:{port}")
    await until_answered(children, [f"{url}/health" for url in urls], _START_SECONDS)
    return urls


async def _end(child: Child) -> None:
    child.terminate()
    if not await child.gone(10.0):
        child.kill()


async def until_answered(children: Sequence[Child], urls: Sequence[str], seconds: float) -> None:
    """Wait until every one of ``urls`` answers with success.

    Raises:
        BenchError: one doesn't within ``seconds``, or a child has ended.
    """
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        for url in urls:
            while not await _answers(client, url):
                ended = next((child for child in children if not child.running), None)
                if ended is not None or time.monotonic() > deadline:
                    failed = ended or children[0]
                    log = failed.log.read_text(errors="replace")[-2000:]
                    raise BenchError(f"{failed.label} doesn't serve ({failed.ending}):\n{log}")
                await asyncio.sleep(_POLL_SECONDS)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False


async def _flush(urls: Sequence[str]) -> None:
    """Empty the caches; a runtime that still aborts calls of the run before refuses for a while."""
    for url in urls:
        endpoint, deadline = Endpoint(url, "sglang"), time.monotonic() + _SWITCH_SECONDS
        try:
            while True:
                try:
                    await endpoint.post("/flush_cache", _SWITCH_SECONDS)
                    break
                except CallError as error:
                    if time.monotonic() > deadline:
                        raise BenchError(f"{url}: {error}") from error
                    await asyncio.sleep(1.0)
        finally:
            await endpoint.close()
