"""A worker that is stopped while SGLang's processes load."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import psutil
import pytest

from engine.wire.worker_spec import WorkerSpec
from tests.engine.worker_process import WorkerProcess, started
from tests.random_model import default_folder, ensure_model
from tests.waiting import GUARD_SECONDS


@pytest.mark.real
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
async def test_a_start_that_is_stopped_leaves_no_process(tmp_path: Path, signum: signal.Signals) -> None:
    """SGLang's processes end with a worker that is stopped while they load, even if it is killed."""
    model = str(ensure_model(default_folder()))
    spec = WorkerSpec(name="stopped", endpoint="ipc:///nowhere", model_path=model, device="cpu")
    async with started(WorkerProcess(spec, tmp_path)) as process:
        await process.until("imported", GUARD_SECONDS)
        async with asyncio.timeout(GUARD_SECONDS):
            # Resource tracker, scheduler, detokenizer.
            while len(children := process.children()) < 3:  # noqa: ASYNC110 (they tell nothing yet)
                await asyncio.sleep(0.1)
        process.process.send_signal(signum)
        assert await process.ended(GUARD_SECONDS) == (0 if signum == signal.SIGTERM else -signum)
        assert psutil.wait_procs(children, timeout=GUARD_SECONDS)[1] == []
