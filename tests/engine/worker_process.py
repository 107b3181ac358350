"""A worker process and a controller's end of its link, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from array import array
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from engine.link import RouterLink
from engine.messages import (
    RID_LENGTH,
    Failed,
    Finished,
    Generate,
    Heartbeat,
    Hello,
    Message,
    Ping,
    Welcome,
)
from engine.spec import WorkerSpec
from tests.waiting import GUARD_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PROMPT = list(range(200, 264))
ENDLESS = {"max_new_tokens": 4000, "temperature": 0.0, "ignore_eos": True}
"""Sampling of a request that runs until it is ended."""


def rid(name: str) -> str:
    """Return a request id of the fixed length."""
    return name.ljust(RID_LENGTH, "-")


def generate(name: str, token_ids: Sequence[int], **fields: Any) -> Generate:
    """Return a request with defaults that suit tests; ``fields`` override them."""
    values: dict[str, Any] = {
        "sampling": {"max_new_tokens": 8, "temperature": 0.0},
        "key": 0.0,
        "sequence": 0,
        "remaining_seconds": 3600.0,
    }
    return Generate(rid=rid(name), token_ids=array("i", token_ids).tobytes(), **(values | fields))


def simulated_spec(endpoint: str = "ipc:///nowhere", **fields: Any) -> WorkerSpec:
    """Return a simulated worker's specification; ``fields`` override its defaults."""
    values: dict[str, Any] = {
        "name": "sim",
        "endpoint": endpoint,
        "model_path": "none",
        "device": "simulated",
        "simulated": True,
        "heartbeat_seconds": 0.1,
        "engine_args": {"output_tokens": 8},
    }
    return WorkerSpec(**(values | fields))


class WorkerProcess:
    """``python -m engine.worker`` with its lifeline, status pipe and log."""

    def __init__(self, spec: WorkerSpec, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.spec = spec
        self.log = folder / f"{spec.name}.log"
        self.temporary = folder / f"tmp-{spec.name}"
        self.temporary.mkdir()
        self._environment = dict(environment or {})
        self.stages: list[dict[str, Any]] = []
        self.process: asyncio.subprocess.Process
        self._reader: asyncio.StreamReader

    async def start(self) -> None:
        """Start the process and send it its specification."""
        read_end, write_end = os.pipe()
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "engine.worker",
                "--status-fd",
                str(write_end),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(write_end,),
                start_new_session=True,
                cwd=ROOT,
                env={**os.environ, **self._environment, "TMPDIR": str(self.temporary)},
            )
        os.close(write_end)
        self._reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(read_end, "rb", buffering=0)
        )
        assert self.process.stdin is not None
        self.process.stdin.write(self.spec.to_json() + b"\n")

    async def until(self, stage: str, seconds: float) -> dict[str, Any]:
        """Return the status line of ``stage``, or of ``failed`` if that comes first."""
        async with asyncio.timeout(seconds):
            while line := await self._reader.readline():
                status = json.loads(line)
                self.stages.append(status)
                if status["stage"] in (stage, "failed"):
                    return dict(status)
        raise AssertionError(f"the worker ended before {stage}:\n{self.log.read_text()[-3000:]}")

    def cut_lifeline(self) -> None:
        """Close the worker's standard input, as a launcher's death does."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def children(self) -> list[psutil.Process]:
        """Return the processes below the worker."""
        return psutil.Process(self.process.pid).children(recursive=True)

    async def ended(self, seconds: float) -> int:
        """Return the exit code."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def kill(self) -> None:
        """End the worker and its children whatever state they are in."""
        if self.process.returncode is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in self.children():
                    child.kill()
            self.process.send_signal(signal.SIGKILL)
            await self.ended(GUARD_SECONDS)


@contextlib.asynccontextmanager
async def started(worker: WorkerProcess) -> AsyncIterator[WorkerProcess]:
    """Start ``worker`` and kill it at the end, if it still runs."""
    await worker.start()
    try:
        yield worker
    finally:
        await worker.kill()


StartWorker = Callable[..., contextlib.AbstractAsyncContextManager[WorkerProcess]]
"""Starts a simulated worker; arguments are the fields of its specification."""


class FakeController:
    """Listens on ``endpoint``, welcomes and pings workers while ``pinging``, and keeps what they send."""

    def __init__(self, endpoint: str, *, ping_seconds: float = 0.2) -> None:
        self.endpoint = endpoint
        self.link = RouterLink(endpoint)
        self.hellos: dict[str, Hello] = {}
        self.heartbeats: list[Heartbeat] = []
        self.received: list[Message] = []
        self.pinging = True
        self.fresh = False
        self._ping_seconds = ping_seconds
        self._changed = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._ping())]

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.link.close()

    async def _receive(self) -> None:
        while True:
            identity, message = await self.link.recv()
            async with self._changed:
                if isinstance(message, Hello):
                    self.hellos[message.runtime] = message
                    if self.pinging:
                        self.link.send(identity, Welcome(epoch="test", fresh=self.fresh))
                elif isinstance(message, Heartbeat):
                    self.heartbeats.append(message)
                else:
                    self.received.append(message)
                self._changed.notify_all()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            if self.pinging:
                for runtime in self.hellos:
                    self.send(runtime, Ping(epoch="test"))

    def send(self, runtime: str, *messages: Message) -> None:
        """Send ``messages`` to ``runtime``."""
        for message in messages:
            assert self.link.send(runtime.encode(), message)

    async def heartbeat(self, condition: Callable[[Heartbeat], bool]) -> Heartbeat:
        """Return the latest heartbeat once ``condition`` holds for it."""
        async with asyncio.timeout(GUARD_SECONDS), self._changed:
            await self._changed.wait_for(lambda: bool(self.heartbeats) and condition(self.heartbeats[-1]))
        return self.heartbeats[-1]

    def of(self, name: str) -> list[Message]:
        """Return what came for the request ``name``, in order."""
        return [message for message in self.received if message.rid == rid(name)]

    def endings(self) -> list[str]:
        """Return the names of the ended requests, in the order of their ends."""
        return [m.rid.rstrip("-") for m in self.received if isinstance(m, Finished | Failed)]

    async def ending(self, name: str, seconds: float = GUARD_SECONDS) -> Finished | Failed:
        """Return how the request ``name`` ended."""

        def found() -> Finished | Failed | None:
            return next((m for m in self.of(name) if isinstance(m, Finished | Failed)), None)

        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: found() is not None)
        result = found()
        assert result is not None
        return result

    async def hello(self, runtime: str, seconds: float = GUARD_SECONDS) -> Hello:
        """Return the introduction of ``runtime``."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: runtime in self.hellos)
        return self.hellos[runtime]

    async def finished(self, runtime: str, request: Generate) -> Finished:
        """Send ``request`` and return its normal end."""
        self.send(runtime, request)
        ending = await self.ending(request.rid.rstrip("-"))
        assert isinstance(ending, Finished), ending
        return ending

    async def failure(self, name: str, seconds: float = GUARD_SECONDS) -> str:
        """Return the code with which the request ``name`` fails."""
        ending = await self.ending(name, seconds)
        assert isinstance(ending, Failed), ending
        return ending.code
