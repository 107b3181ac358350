"""A worker process, and what a controller asks of it, for tests."""

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

from engine.wire.messages import Generate, Hello
from engine.wire.ordering_proof import PROOF_ORDER
from engine.wire.worker_spec import WorkerSpec
from tests.engine.fake_controller import rid
from tests.waiting import GUARD_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PROMPT = list(range(200, 264))
ENDLESS = {"max_new_tokens": 4000, "temperature": 0.0, "ignore_eos": True}
"""Sampling of a request that runs until it is ended."""
SLOW = {"output_tokens": 4000, "decode_tokens_per_second": 20}
"""Arguments of a simulated runtime on which an ``ENDLESS`` request outlasts every wait."""


def generate(name: str, token_ids: Sequence[int], **fields: Any) -> Generate:
    """Return a request with defaults that suit tests; ``fields`` override them."""
    values: dict[str, Any] = {
        "sampling": {"max_new_tokens": 8, "temperature": 0.0},
        "key": 0.0,
        "sequence": 0,
        "remaining_seconds": 600.0,
    }
    return Generate(rid=rid(name), token_ids=array("i", token_ids).tobytes(), **(values | fields))


def hello(name: str, *, simulated: bool = False) -> Hello:
    """Return an introduction whose sizes mean nothing."""
    return Hello(
        runtime=name,
        pid=1,
        model_path="m",
        tokenizer_hash="t",
        context_length=1,
        max_total_tokens=1,
        max_running_requests=1,
        device="d",
        engine_version="e",
        hook_proof=PROOF_ORDER,
        simulated=simulated,
    )


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

    async def until(self, stage: str, seconds: float = GUARD_SECONDS) -> dict[str, Any]:
        """Return the status line of ``stage``, or of ``failed`` if that comes first."""
        async with asyncio.timeout(seconds):
            while line := await self._reader.readline():
                status = json.loads(line)
                if "stage" not in status:  # a sign of life
                    continue
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

    def libraries(self) -> str:
        """Return what the worker has mapped, as the kernel tells it."""
        return Path(f"/proc/{self.process.pid}/maps").read_text()

    async def ended(self, seconds: float = GUARD_SECONDS) -> int:
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
            await self.ended()


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
