"""A starter without processes: each is ready at once and lives as long as planned, by a manual clock."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from launch.server.starter import ChildSpec
from sched.clock import ManualClock

NO_START = -1.0
DIES_EARLY = -2.0
NEVER_READY = -3.0
_TURNS = 50


class FakeProcess:
    """Runs until it is told to end; ``written`` has what its standard input got."""

    def __init__(self, pid: int, on_status: Callable[[bytes], None]) -> None:
        self.pid = pid
        self.written: list[bytes] = []
        self._on_status = on_status
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def exit_code(self) -> int | None:
        return self._code.result() if self._code.done() else None

    def end(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)

    def show_life(self) -> None:
        self._on_status(b'{"alive": true}')

    def write(self, line: bytes) -> None:
        self.written.append(line)

    def terminate(self) -> None:
        self.end(0)

    def kill(self) -> None:
        self.end(-9)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def gone(self, seconds: float) -> bool:
        return self._code.done()


class FakeStarter:
    """``lives`` has, by label, the seconds that each process of that label lives; those beyond it live on.

    A start whose life is ``NO_START`` fails, one that ``DIES_EARLY`` ends before it is ready, and one
    that is ``NEVER_READY`` lives on without saying so.  ``started`` has the processes, by label.
    """

    def __init__(self, clock: ManualClock, lives: Mapping[str, Sequence[float]]) -> None:
        self.started: dict[str, list[FakeProcess]] = defaultdict(list)
        self.said_ready = 0
        self._clock = clock
        self._lives = {label: list(seconds) for label, seconds in lives.items()}

    async def start(self, spec: ChildSpec, folder: Path, on_status: Callable[[bytes], None]) -> FakeProcess:
        seconds = self._lives[spec.label].pop(0) if self._lives.get(spec.label) else None
        if seconds == NO_START:
            raise OSError(f"no room for {spec.label}")
        process = FakeProcess(sum(map(len, self.started.values())), on_status)
        self.started[spec.label].append(process)

        def live() -> None:
            if seconds == DIES_EARLY:
                process.end(3)
            elif seconds != NEVER_READY:
                on_status(b'{"stage": "ready"}')
                self.said_ready += 1
                if seconds is not None:
                    die_after(_TURNS, seconds)

        def die_after(turns: int, seconds: float) -> None:
            """Leave the event loop some turns, so that what its being ready causes has happened before."""
            if turns:
                loop.call_soon(die_after, turns - 1, seconds)
            else:
                self._clock.advance(seconds)
                process.end(3)

        loop = asyncio.get_running_loop()
        loop.call_soon(live)
        return process
