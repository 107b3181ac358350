"""One worker with a real SGLang runtime for all tests that can share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.wire.worker_spec import WorkerSpec
from tests.engine.worker_process import WorkerProcess
from tests.pass_gate import Gate
from tests.random_model import default_folder, ensure_model
from tests.waiting import GUARD_SECONDS

NAME = "real"
CACHE_TOKENS = 4096
SLOTS = 8


@dataclass(frozen=True, slots=True)
class RealWorker:
    """A running worker and the gate before its passes."""

    process: WorkerProcess
    gate: Gate
    endpoint: str


class RealWorkers:
    """Starts a worker when one is asked for and none runs: a test may end it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._current: RealWorker | None = None

    async def ready(self) -> RealWorker:
        """Return the worker, started first if it isn't there or has ended."""
        if self._current is None or self._current.process.process.returncode is not None:
            self._current = await self._start()
        return self._current

    async def close(self) -> None:
        """End the worker."""
        if self._current is not None:
            await self._current.process.kill()

    async def _start(self) -> RealWorker:
        self._started += 1
        folder = self._folder / str(self._started)
        folder.mkdir()
        gate = Gate(folder / "gate")
        process = WorkerProcess(real_spec(f"ipc://{folder}/link"), folder, gate.environment())
        self._current = worker = RealWorker(process, gate, process.spec.endpoint)
        await process.start()
        status = await process.until("ready", 3 * GUARD_SECONDS)
        assert status["stage"] == "ready", status
        return worker


def real_spec(endpoint: str, name: str = NAME) -> WorkerSpec:
    """Return the specification of a small runtime on one core, which waits long for its next controller."""
    return WorkerSpec(
        name=name,
        endpoint=endpoint,
        model_path=str(ensure_model(default_folder())),
        device="cpu",
        cpu_core=0,
        heartbeat_seconds=0.2,
        orphan_seconds=3600.0,
        engine_args={"max_total_tokens": CACHE_TOKENS, "max_running_requests": SLOTS},
    )
