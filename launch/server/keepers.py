"""Keeps all children of a server alive, unless that is in vain, and tells the controller of workers' ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.wire.worker_ended import WorkerEnded
from launch.server.child import Child
from launch.server.keeper import Keeper, Keeping
from launch.server.progress import Progress
from launch.server.restart_backoff import RestartBackoff, RestartLimits
from launch.server.starter import ChildSpec, Family
from launch.server.time_limits import TimeLimits
from sched.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepersPorts:
    """What keepers work with.  ``start`` starts a child, which counts as ready from a stage on."""

    start: Callable[[ChildSpec, str], Awaitable[Child]]
    progress: Progress
    clock: Clock
    sleep: Callable[[float], Awaitable[object]]


class Keepers:
    """The keepers of ``family``, whose ``children``, by label, are ready."""

    def __init__(
        self,
        family: Family,
        children: Mapping[str, Child],
        limits: TimeLimits,
        restarts: RestartLimits,
        ports: KeepersPorts,
    ) -> None:
        self._children = children
        self._limits = limits
        self._restarts = restarts
        self._ports = ports
        self._ended: dict[str, WorkerEnded] = {}
        self._in_vain: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._controller = self._controller_keeper(family.controller)
        self._workers = {spec.label: self._worker_keeper(spec) for spec in family.workers}

    async def run(self) -> str:
        """Keep all alive; return why the server can't go on."""
        tasks = [asyncio.create_task(keeper.run()) for keeper in (self._controller, *self._workers.values())]
        waits: set[asyncio.Future[Any]] = {self._in_vain, *tasks}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # its error
            return self._in_vain.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _controller_keeper(self, spec: ChildSpec) -> Keeper:
        restarts = self._restarts
        backoff = self._backoff(restarts.controller_backoff_seconds, restarts.controller_longest_seconds)
        return self._keeper(
            spec,
            Keeping(
                # Not until it is ready: a runtime may be missing just then.
                start=partial(self._ports.start, spec, "listening"),
                ended=lambda child, how, delay: self._give_up_if(backoff.hopeless, spec.label),
                ready=self._tell_all,
            ),
            backoff,
        )

    def _worker_keeper(self, spec: ChildSpec) -> Keeper:
        restarts = self._restarts
        backoff = self._backoff(restarts.worker_backoff_seconds, restarts.worker_longest_seconds)
        return self._keeper(
            spec,
            Keeping(
                start=partial(self._ports.start, spec, "ready"),
                ended=partial(self._worker_ended, spec, backoff),
                ready=lambda: self._ended.pop(spec.label),
            ),
            backoff,
        )

    def _worker_ended(
        self, spec: ChildSpec, backoff: RestartBackoff, child: Child, how: str, delay: float
    ) -> None:
        ended = self._ended[spec.label] = WorkerEnded(
            pid=child.pid,
            runtime=spec.runtime,
            how=how,
            failed_starts=backoff.failed_starts,
            restart_seconds=delay,
        )
        self._tell(ended)  # sooner than the controller would miss its heartbeats
        hopeless = all(keeper.backoff.hopeless for keeper in self._workers.values())
        self._give_up_if(hopeless, "every runtime")

    def _tell_all(self) -> None:
        """Have a new controller know what its runtimes are about."""
        for ended in self._ended.values():
            self._tell(ended)

    def _tell(self, ended: WorkerEnded) -> None:
        self._controller.child.tell(ended.to_message())

    def _give_up_if(self, hopeless: bool, who: str) -> None:
        if hopeless and not self._in_vain.done():
            starts = f"{self._restarts.hopeless_starts} starts in a row"
            self._in_vain.set_result(f"{who} failed in {starts}, so the server stops")

    def _backoff(self, first: float, longest: float) -> RestartBackoff:
        return RestartBackoff(self._restarts, first, longest, self._ports.clock)

    def _keeper(self, spec: ChildSpec, keeping: Keeping, backoff: RestartBackoff) -> Keeper:
        ports = self._ports
        child = self._children[spec.label]
        return Keeper(child, keeping, backoff, self._limits, ports.progress, ports.clock, ports.sleep)
