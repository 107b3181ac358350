"""A starter without processes: each is ready at once and lives as long as planned, by a manual clock."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from launch.server.starter import ChildSpec
from sched.clock import ManualClock


class FakeProcess:
    """Runs until it is told to end; ``written`` has what its standard input got."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.written: list[bytes] = []
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def exit_code(self) -> int | None:
        return self._code.result() if self._code.done() else None

    def end(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)

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

    A start whose life is negative fails.  ``started`` has the processes, by label.
    """

    def __init__(self, clock: ManualClock, lives: Mapping[str, Sequence[float]]) -> None:
        self.started: dict[str, list[FakeProcess]] = defaultdict(list)
        self._clock = clock
        self._lives = {label: list(seconds) for label, seconds in lives.items()}

    async def start(self, spec: ChildSpec, folder: Path, on_status: Callable[[bytes], None]) -> FakeProcess:
        seconds = self._lives[spec.label].pop(0) if self._lives.get(spec.label) else None
        if seconds is not None and seconds < 0.0:
            raise OSError(f"no room for {spec.label}")
        process = FakeProcess(sum(map(len, self.started.values())))
        self.started[spec.label].append(process)

        def live() -> None:
            on_status(b'{"stage": "ready"}')
            if seconds is not None:
                self._clock.advance(seconds)
                process.end(3)

        asyncio.get_running_loop().call_soon(live)
        return process
