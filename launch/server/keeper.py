"""Keeps one child of a server alive: whatever ends it, it is started again, sooner if it was steady."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from launch.server.child import Child, ChildError
from launch.server.logs import tail
from launch.server.progress import Progress
from launch.server.restart_backoff import RestartBackoff
from launch.server.silence import Silence
from launch.server.time_limits import TimeLimits
from sched.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What a keeper needs of its server.

    ``start`` starts the child again; ``ended`` is told how it ended and after how many seconds it is started
    again, ``ready`` that it is ready.
    """

    start: Callable[[], Awaitable[Child]]
    ended: Callable[[Child, str, float], None]
    ready: Callable[[], object]


class Keeper:
    """Keeps ``child``, which is ready, alive; it is the latest one.  ``sleep`` waits before a start."""

    def __init__(
        self,
        child: Child,
        keeping: Keeping,
        backoff: RestartBackoff,
        limits: TimeLimits,
        progress: Progress,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self.backoff = backoff
        self.child = child
        self._keeping = keeping
        self._limits = limits
        self._progress = progress
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Wait for the child's end and start it again, until cancelled."""
        failure = ""
        while True:
            child = self.child
            await self._end(child)
            child.kill()  # what it may have left running
            delay = self.backoff.died()
            problem = f"{child.label} died ({child.ending}) and is started again in {delay:g} s"
            self._progress.problem("\n".join([problem, *tail(child.log)]))
            self._keeping.ended(child, failure or child.ending, delay)
            await self._sleep(delay)
            failure = await self._start()

    async def _start(self) -> str:
        """Start the child; return why it isn't ready, empty if it is."""
        try:
            self.child = await self._keeping.start()
            await self.child.until_ready(self._limits.start_seconds)
        except (ChildError, OSError) as failure:
            self._progress.problem(str(failure))
            self.child.kill()
            return str(failure).partition("\n")[0]
        self.backoff.ready()
        self._keeping.ready()
        return ""

    async def _end(self, child: Child) -> None:
        """Wait for a child's end; kill it if it shows no sign of life."""
        ended, silence = asyncio.create_task(child.wait()), Silence(child, self._clock)
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=self._limits.look_seconds)
                if not ended.done() and silence.seconds() > self._limits.kill_seconds:
                    seconds = f"{self._limits.kill_seconds:g} s"
                    self._progress.problem(f"{child.label} has shown no sign of life for {seconds}: killed")
                    child.kill()
                    await ended
        finally:
            ended.cancel()
