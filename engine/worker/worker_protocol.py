"""The worker's protocol: it serves one runtime over the link until it is told or has reason to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.wire.messages import (
    AbortRequest,
    CacheRequest,
    Command,
    Drop,
    Failed,
    Generate,
    Hello,
    Introduce,
    Ping,
    RekeyRequest,
    Shutdown,
    Welcome,
    WireMessage,
)
from engine.wire.worker_spec import WorkerSpec
from engine.worker.command_runner import CommandRunner
from engine.worker.early_aborts import EarlyAborts
from engine.worker.heartbeat import HeartbeatSender
from engine.worker.lease import Lease
from engine.worker.request_reporter import RequestReporter
from engine.worker.runtime_interface import Runtime
from engine.worker.standstill import Standstill
from sched.clock import Clock, monotonic
from sched.errors import Failure

logger = logging.getLogger(__name__)

ABORT_SECONDS = 5.0
"""How long a runtime may take to end an aborted request before the worker gives up on it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why serving ended; ``failed`` where that is an error."""

    reason: str
    failed: bool = False


@dataclass(slots=True)
class _Running:
    reporter: RequestReporter
    task: asyncio.Task[None]
    time_limit: asyncio.TimerHandle
    give_up: asyncio.TimerHandle | None = None


class WorkerProtocol:
    """Serves ``runtime``, whose introduction is ``hello``, sending through ``send``.

    ``heartbeats`` are its signs of life.  Everything but the constructor belongs to one event loop.  Each
    ``Generate`` gets exactly one ``Finished`` or ``Failed``; an ``AbortRequest`` may overtake it.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        hello: Hello,
        runtime: Runtime,
        send: Callable[[WireMessage], bool],
        clock: Clock = monotonic,
        lease: Lease | None = None,
    ) -> None:
        self._spec = spec
        self.heartbeats = HeartbeatSender(spec, hello, runtime, send, clock)
        self._runtime = runtime
        self._commands = CommandRunner(spec.name, runtime, send)
        self._send = send
        self._clock = clock
        self._standstill = Standstill(clock)
        self._lease = lease
        self._running: dict[str, _Running] = {}
        self._early_aborts = EarlyAborts(clock)
        self._ending: Ending | None = None
        self._grace = 0.0
        self._stopped = asyncio.Event()

    def receive(self, message: WireMessage) -> None:
        """Act on a message of the controller; messages of other kinds are logged and dropped.

        What it asks of a worker that stood still is acted on once it has said that it still counts on it.
        """
        self.heartbeats.heard()
        if self._standstill.found():
            self.heartbeats.introduce()
        if self._lease is not None and not self._standstill.doubts:
            self._lease.renew()
        match message:
            case Generate() | AbortRequest() | RekeyRequest() if self._standstill.hold(message):
                pass
            case Generate():
                self._generate(message)
            case AbortRequest():
                self._abort(message.rid)
            case RekeyRequest():
                # Not at once: the task of its Generate may not have had its first step.
                asyncio.get_running_loop().call_soon(self._runtime.rekey, message.rid, message.key)
            case Welcome():
                self._welcome(message)
            case Drop():
                self._drop(Failure("cancelled", "the controller gave the runtime up"))
            case Introduce():
                self.heartbeats.introduce()
            case Ping():
                if self._lease is not None:
                    self._lease.begin()
            case Command():
                self._commands.receive(message)
            case CacheRequest():
                self._runtime.report_cache(self._send)
            case Shutdown():
                fault = message.fault
                ending = Ending(fault or "the controller asked for it", failed=bool(fault))
                self.stop(ending, message.grace_seconds)
            case _:
                logger.warning("dropped a %s message: it goes the other way", message.kind)

    def link_cut(self) -> None:
        """End what runs, since it is soon run elsewhere, and have the controller learn of the break."""
        self._drop(Failure("unavailable", "the connection to the controller broke"))
        self._standstill.cut()
        if self._lease is not None:
            self._lease.end()
        self.heartbeats.cut()

    def stop(self, ending: Ending, grace_seconds: float = 0.0) -> None:
        """Take no more requests and end; what runs may finish within ``grace_seconds``.

        The first reason stands; a second call ends the grace.
        """
        if self._ending is None:
            self._ending, self._grace = ending, grace_seconds
        else:
            self._grace = 0.0
            for rid in list(self._running):
                self._end(rid, Failure("unavailable", "the runtime was stopped"))
        self._stopped.set()

    async def until_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run ``work`` to its end, raising what it raises; cancel it and return ``False`` if stopped."""
        task = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
            return False
        await task
        return True

    async def run(self) -> Ending:
        """Introduce the runtime, report its load and serve; return why it ended."""
        heartbeats = asyncio.create_task(self.heartbeats.run(), name="heartbeats")
        stopped = asyncio.create_task(self._stopped.wait(), name="stopped")
        try:
            await asyncio.wait({heartbeats, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if heartbeats.done() and not self._stopped.is_set():
                self.stop(_ending_of(heartbeats))
            await self._drain()
        finally:
            heartbeats.cancel()
            stopped.cancel()
        assert self._ending is not None
        return self._ending

    async def _drain(self) -> None:
        if self._ending is not None and self._ending.failed:
            for running in self._running.values():  # nobody is left to end them
                running.reporter.verdict = Failure("runtime_failure", self._ending.reason)
                running.task.cancel()
        await self._wait_for_requests(self._grace)
        for rid in list(self._running):
            self._end(rid, Failure("unavailable", "the runtime was stopped"))
        await self._wait_for_requests(ABORT_SECONDS + 1.0)

    async def _wait_for_requests(self, seconds: float) -> None:
        if self._running:
            await asyncio.wait({r.task for r in self._running.values()}, timeout=seconds)

    def _welcome(self, welcome: Welcome) -> None:
        if not self.heartbeats.current(welcome):
            return
        self.heartbeats.welcomed()
        if welcome.fresh:
            self._drop(Failure("cancelled", "the controller that asked for it is gone"))
        held = self._standstill.over()
        if self._lease is not None:
            self._lease.renew()
        for message in held:
            self.receive(message)

    def _drop(self, why: Failure) -> None:
        """End all that runs: nobody waits for it any more."""
        self._standstill.given_up()
        if self._running:
            logger.warning("ending %d requests: %s", len(self._running), why.message)
        for rid in list(self._running):
            self._end(rid, why)

    # --- requests -------------------------------------------------------------------------------

    def _generate(self, request: Generate) -> None:
        rid = request.rid
        if rid in self._running:
            logger.error("dropped a second request with id %s", rid)
            return
        failure = self._refusal(request)
        if failure is not None:
            self._send(Failed(rid=rid, code=failure.code, message=failure.message))
            return
        loop = asyncio.get_running_loop()
        reporter = RequestReporter(request, self._send, self._clock)
        task = loop.create_task(reporter.run(self._runtime), name=f"request {rid}")
        too_late = Failure("timeout", f"no result within {request.remaining_seconds:.3f} s")
        limit = loop.call_later(request.remaining_seconds, self._end, rid, too_late)
        self._running[rid] = _Running(reporter, task, limit)
        task.add_done_callback(partial(self._forget, rid))

    def _refusal(self, request: Generate) -> Failure | None:
        if self._early_aborts.take(request.rid):
            return Failure("cancelled", "the call was cancelled before it reached the runtime")
        if self._ending is not None:
            return Failure("unavailable", "the runtime is stopping")
        if request.remaining_seconds <= 0:
            return Failure("timeout", "the call's time was over before it reached the runtime")
        if not request.token_ids:
            return Failure("invalid_request", "the prompt is empty")
        return None

    def _abort(self, rid: str) -> None:
        if rid in self._running:
            self._end(rid, Failure("cancelled", "the call was cancelled"))
            return
        self._early_aborts.add(rid)

    def _end(self, rid: str, why: Failure) -> None:
        """Abort a running request; if the runtime doesn't end it in time, its task is cancelled."""
        running = self._running.get(rid)
        if running is None or running.reporter.verdict is not None:
            return
        running.reporter.verdict = why
        self._runtime.abort(rid)
        running.give_up = asyncio.get_running_loop().call_later(ABORT_SECONDS, running.task.cancel)

    def _forget(self, rid: str, _task: asyncio.Task[None]) -> None:
        running = self._running.pop(rid)
        running.time_limit.cancel()
        if running.give_up is not None:
            running.give_up.cancel()


def _ending_of(heartbeats: asyncio.Task[str]) -> Ending:
    error = heartbeats.exception()
    if error is None:
        return Ending(heartbeats.result())
    logger.error("the worker's heartbeat broke", exc_info=error)
    return Ending(f"the worker's heartbeat broke: {error!r}", failed=True)
