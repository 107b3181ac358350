"""The supervisor: starts the children together, keeps them alive, ends everything cleanly.

It decides nothing about requests and takes no traffic, and how a process starts is the matter of its starter
(``starter.py``).  The first SIGTERM or Ctrl-C drains: the controller finishes first, then the workers end.  A
second one kills everything at once.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from launch.server.child import Child, ChildError
from launch.server.event_waits import all_done, done_before, happens
from launch.server.logs import follow, tail
from launch.server.progress import Progress
from launch.server.restart_backoff import RestartBackoff, RestartLimits
from launch.server.run_folder import run_folder
from launch.server.starter import ChildSpec, Starter
from sched.clock import Clock, monotonic

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Family:
    """The processes of a server."""

    controller: ChildSpec
    workers: Sequence[ChildSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """How long the supervisor waits for its children, seconds.  ``end_seconds`` is what a child gets between
    SIGTERM and SIGKILL beyond its drain, ``hurry_seconds`` the same after a failure.  ``settle_seconds`` is
    what the controller gets to be ready once a runtime that was ready has died."""

    start_seconds: float
    drain_seconds: float
    end_seconds: float = 10.0
    hurry_seconds: float = 3.0
    settle_seconds: float = 10.0


class Supervisor:
    """Runs one server.  ``family_in`` makes its processes, given the private run folder, and ``starter``
    starts them; ``ready_sentence`` says that the server is ready, given the seconds that took."""

    def __init__(
        self,
        family_in: Callable[[Path], Family],
        starter: Starter,
        limits: TimeLimits,
        progress: Progress,
        ready_sentence: Callable[[float], str],
        restart_limits: RestartLimits | None = None,
        show_logs: bool = False,
        clock: Clock = monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._family_in = family_in
        self._starter = starter
        self._limits = limits
        self._restart_limits = restart_limits or RestartLimits()
        self._clock = clock
        self._sleep = sleep
        self._progress = progress
        self._ready_sentence = ready_sentence
        self._show_logs = show_logs
        self._children: dict[str, Child] = {}
        self._followers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._kill = asyncio.Event()
        self._signal = 0

    async def run(self) -> int:
        """Run until a signal or a failure and return the exit code; nothing is left behind.

        0: drained after a signal.  1: a failure, explained on standard error.  128 + n: stopped by signal n
        during the start or by a second signal.
        """
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            # Whoever has a signal ignored (nohup, a shell's background job) keeps it ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, number)
        with run_folder() as folder:
            try:
                return await self._run_in(folder, self._family_in(folder))
            except (ChildError, OSError) as failure:
                self._progress.problem(str(failure))
                return 1
            finally:
                self._progress.close()
                # Killed processes can't tidy up: whoever still runs is asked first, but not for long.
                await done_before(self._kill, self._end(list(self._children), self._limits.hurry_seconds))
                await self._end_all()

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            self._kill.set()
        self._signal = number
        self._stop.set()

    async def _run_in(self, folder: Path, family: Family) -> int:
        started = self._clock()
        if not await done_before(self._stop, self._start_all(folder, family)):
            return 128 + self._signal
        self._progress.say(self._ready_sentence(self._clock() - started))
        if notice := self._children[family.controller.label].notice:
            self._progress.problem(notice)
        if (reason := await self._serve(folder, family)) is not None:
            self._progress.problem(reason)
            return 1
        self._progress.say("Draining: running work is finished first; a second signal stops at once.")
        if not await done_before(self._kill, self._drain(family)):
            return 128 + self._signal
        return 0

    # --- start ----------------------------------------------------------------------------------

    async def _start_all(self, folder: Path, family: Family) -> None:
        started = [await self._start(spec, folder) for spec in (family.controller, *family.workers)]
        all_ready = asyncio.Event()

        async def stays(child: Child) -> None:
            await child.until_ready(self._limits.start_seconds)
            if not all(other.ready for other in started):
                # The controller is never ready if a runtime that was ends before it is accepted.
                await child.wait()
                if not all(other.ready for other in started):
                    self._progress.problem(
                        str(child.error(f"ended before the server was ready ({child.ending})"))
                    )
                    # Accepted just before, it is started again like any other.
                    if not await happens(all_ready, self._limits.settle_seconds):
                        raise ChildError(f"{child.label} is missing, so the server can't start")
            all_ready.set()

        await done_before(all_ready, all_done(map(stays, started)))

    async def _start(self, spec: ChildSpec, folder: Path, awaited: str = "ready") -> Child:
        child = await Child.start(self._starter, spec, folder, self._progress.stage, awaited)
        if self._show_logs and spec.label not in self._children:
            write = partial(self._log_line, spec.label)
            self._followers.append(asyncio.create_task(follow(child.log, write)))
        self._children[spec.label] = child
        return child

    def _log_line(self, label: str, line: str) -> None:
        self._progress.say(f"[{label}] {line}")

    # --- life -----------------------------------------------------------------------------------

    async def _serve(self, folder: Path, family: Family) -> str | None:
        """Keep everything running; return ``None`` after a signal, otherwise why the server can't go on."""
        workers = asyncio.gather(*(self._keep_worker(spec, folder, family) for spec in family.workers))
        controller = asyncio.create_task(self._keep_controller(family.controller, folder))
        stopped = asyncio.create_task(self._stop.wait())
        waits: set[asyncio.Future[Any]] = {workers, controller, stopped}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        no_runtime = workers.done()
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        if self._stop.is_set():
            return None
        return f"no {'runtime' if no_runtime else 'controller'} is left, so the server stops"

    async def _keep_worker(self, spec: ChildSpec, folder: Path, family: Family) -> None:
        """Restart a worker whenever it ends; return when it ends too often."""
        limits = self._restart_limits
        backoff = RestartBackoff(limits, limits.worker_backoff_seconds, self._clock)
        while True:
            child = self._children[spec.label]
            await child.wait()
            # Sooner than the controller would miss its heartbeats.
            self._children[family.controller.label].tell({"died": child.pid})
            if not await self._restart(spec, folder, backoff):
                return

    async def _keep_controller(self, spec: ChildSpec, folder: Path) -> None:
        """Restart the controller whenever it ends, the workers going on; return when it ends too often."""
        limits = self._restart_limits
        backoff = RestartBackoff(limits, limits.controller_backoff_seconds, self._clock)
        while True:
            await self._children[spec.label].wait()
            # Not until it is ready: a runtime may be missing just then.
            if not await self._restart(spec, folder, backoff, awaited="listening"):
                return

    async def _restart(
        self, spec: ChildSpec, folder: Path, backoff: RestartBackoff, awaited: str = "ready"
    ) -> bool:
        """Start a dead child again unless it died too often; return whether it was tried."""
        child = self._children[spec.label]
        child.kill()  # what it may have left running
        delay = backoff.died()
        what_next = (
            f"given up after {backoff.count} deaths" if delay is None else f"started again in {delay:g} s"
        )
        problem = f"{spec.label} died ({child.ending}) and is {what_next}"
        self._progress.problem("\n".join([problem, *tail(child.log)]))
        if delay is None:
            return False
        await self._sleep(delay)
        try:
            await (await self._start(spec, folder, awaited)).until_ready(self._limits.start_seconds)
        except (ChildError, OSError) as failure:
            self._progress.problem(str(failure))
            self._children[spec.label].kill()
        return True

    # --- end ------------------------------------------------------------------------------------

    async def _drain(self, family: Family) -> None:
        """End the controller first, since it finishes what the workers run, then the workers."""
        limits = self._limits
        late = await self._end([family.controller.label], limits.drain_seconds + limits.end_seconds)
        late += await self._end([spec.label for spec in family.workers], limits.end_seconds)
        if late:
            raise ChildError(f"{' and '.join(late)} did not end in time and had to be killed")

    async def _end(self, labels: Sequence[str], seconds: float) -> list[str]:
        """Ask ``labels`` to end, kill them after ``seconds`` and return the killed ones."""
        children = [child for label in labels if (child := self._children[label]).running]
        for child in children:
            child.terminate()
        if children:
            await asyncio.wait([asyncio.create_task(child.wait()) for child in children], timeout=seconds)
        late = [child for child in children if child.running]
        for child in late:
            child.kill()
        return [child.label for child in late]

    async def _end_all(self) -> None:
        """Kill whatever is left."""
        for follower in self._followers:
            follower.cancel()
        for child in self._children.values():
            child.kill()
        ended = await asyncio.gather(*(child.gone(_KILL_SECONDS) for child in self._children.values()))
        for label, gone in zip(self._children, ended, strict=True):
            if not gone:
                self._progress.problem(f"{label} could not be killed: end it by hand")
