"""The controller's watch over its workers: they are welcomed, pinged, and given up when they show no life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.controller.cache_reports import CacheReports
from engine.controller.worker_table import Standing, Worker, WorkerTable, passes_reported, runtime_up
from engine.wire import messages as msg
from engine.wire.link import RouterLink
from engine.wire.worker_ended import WorkerEnded
from sched import events as ev
from sched.dispatcher import Dispatcher

logger = logging.getLogger(__name__)


class WorkerWatch:
    """Fills the table of ``workers`` and tells the core of their coming and going, through ``handle``.

    ``notify`` gets a sentence for the user about what only the controller can see.  ``complete`` is set when
    every expected worker has been welcomed for the first time.
    """

    def __init__(
        self,
        link: RouterLink,
        workers: WorkerTable,
        dispatcher: Dispatcher,
        handle: Callable[[ev.Event], None],
        epoch: str,
        notify: Callable[[str], None],
    ) -> None:
        self.complete = asyncio.Event()
        self._link = link
        self._workers = workers
        self._dispatcher = dispatcher
        self._handle = handle
        self._epoch = epoch
        self._notify = notify
        self._given_up: set[str] = set()
        self._cache_reports = CacheReports(link, handle)
        self.handlers: Mapping[type, Callable[[bytes, Any], None]] = {
            msg.Hello: self._hello,
            msg.Heartbeat: self._heartbeat,
            msg.CacheChanged: self._cache_reports.take,
        }

    def beat(self) -> None:
        """Ping all workers, give up those that are silent or can't be reached, and have those end that hang
        for too long."""
        ping = msg.Ping(epoch=self._epoch)
        cut = [w for w in self._workers.present() if not self._link.send(w.identity, ping)]
        silent = [worker for worker in self._workers.silent() if worker not in cut]
        if lost := [*cut, *silent]:
            for worker in lost:
                self._workers.remove(worker)
            self._give_up(lost, "no heartbeat" if silent else "its link is cut")
        if refused := self._link.look():
            logger.warning("%d connections were refused: they had no allowed key", refused)
        for worker in self._workers.dismiss_hung():
            fault = "its scheduler shows no sign of life"
            logger.error("runtime %s is told to end: %s", worker.hello.runtime, fault)
            self._link.send(worker.identity, msg.Shutdown(grace_seconds=0.0, fault=fault))

    @property
    def refused_connections(self) -> int:
        """Connections that had no allowed key or talked nonsense."""
        return self._link.refused

    def worker_ended(self, ended: WorkerEnded) -> None:
        """Note the end of a process that the launcher saw, before it is missed."""
        name = self._workers.ended(ended)
        if name is not None:
            self._lost([name], "its process died")

    def dismiss(self) -> None:
        """Have all workers end."""
        for worker in self._workers.present():
            self._link.send(worker.identity, msg.Shutdown(grace_seconds=0.0))

    def _give_up(self, workers: Sequence[Worker], reason: str) -> None:
        """Have what runs on workers run elsewhere, and not there, should they wake up."""
        for worker in workers:
            self._link.send(worker.identity, msg.Drop())
        names = [worker.hello.runtime for worker in workers]
        self._lost(names, reason)
        for name in names:
            self._given_up.add(name)
            self._notify(f"runtime {name} was lost: {reason}")

    def _lost(self, names: Sequence[str], reason: str) -> None:
        """Tell the core of all at once: it may place no call of one on another of them."""
        for name in names:
            logger.error("runtime %s was lost: %s", name, reason)
        self._handle(ev.RuntimeLost(names[0], reason, names[1:]))

    def _hello(self, identity: bytes, hello: msg.Hello) -> None:
        refusal = self._workers.refusal(hello)
        if refusal is not None:
            logger.error("runtime %s is refused: %s", hello.runtime, refusal)
            self._link.send(identity, msg.Shutdown(grace_seconds=0.0))
            return
        fresh = self._workers.welcome(identity, hello)
        # First of all, since a fresh worker ends what it runs.
        self._link.send(identity, msg.Welcome(epoch=self._epoch, fresh=fresh, connection=hello.connection))
        if fresh:
            self._handle(ev.RuntimeLost(hello.runtime, "its worker was replaced, or cut off"))
            self._handle(runtime_up(hello))
            self._cache_reports.ask(identity, hello.runtime)
            logger.info("runtime %s is up (pid %d)", hello.runtime, hello.pid)
            if hello.runtime in self._given_up:
                self._given_up.remove(hello.runtime)
                self._notify(f"runtime {hello.runtime} serves again")
            if not self._workers.missing:
                self.complete.set()

    def _heartbeat(self, identity: bytes, heartbeat: msg.Heartbeat) -> None:
        name = heartbeat.runtime
        believed = self._dispatcher.runtimes.get(name)
        pass_seconds = believed.pass_seconds() if believed and heartbeat.still_seconds else 0.0
        match self._workers.heard(heartbeat, pass_seconds):
            case Standing.UNKNOWN:
                self._link.send(identity, msg.Introduce())
            case Standing.NOW_HUNG:
                reason = f"its scheduler has shown no sign of life for {heartbeat.still_seconds:.1f} s"
                self._give_up([self._workers.known(name)], reason)
            case Standing.SERVING if heartbeat.passes:
                self._handle(passes_reported(heartbeat))
