"""The supervisor: starts the children together, keeps them alive, ends everything cleanly.

It decides nothing about requests and takes no traffic, and how a process starts is the matter of its starter
(``starter.py``).  The first SIGTERM or Ctrl-C drains: the controller finishes first, then the workers end.  A
second one kills everything at once.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from launch.server.child import Child, ChildError
from launch.server.event_waits import all_done, done_before, happens
from launch.server.keepers import Keepers, KeepersPorts
from launch.server.logs import follow
from launch.server.progress import Progress
from launch.server.restart_backoff import RestartLimits
from launch.server.run_folder import run_folder
from launch.server.starter import ChildSpec, Family, Starter
from launch.server.time_limits import TimeLimits
from sched.clock import Clock, monotonic

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILL_SECONDS = 5.0


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
        started = [
            await self._start(spec, "ready", folder=folder) for spec in (family.controller, *family.workers)
        ]
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

    async def _start(self, spec: ChildSpec, awaited: str, *, folder: Path) -> Child:
        shown = self._progress.stage, self._progress.problem
        child = await Child.start(self._starter, spec, folder, *shown, awaited)
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
        ports = KeepersPorts(
            start=partial(self._start, folder=folder),
            progress=self._progress,
            clock=self._clock,
            sleep=self._sleep,
        )
        keepers = Keepers(family, self._children, self._limits, self._restart_limits, ports)
        reasons: list[str] = []

        async def keep() -> None:
            reasons.append(await keepers.run())

        return reasons[0] if await done_before(self._stop, keep()) else None

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
