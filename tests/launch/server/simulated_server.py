"""A whole server with simulated runtimes: launcher, controller and workers, as a user starts them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from launch.checks import free_port
from tests.waiting import GUARD_SECONDS

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "launch.server"]


class SimulatedServer:
    """A server with simulated runtimes, all of its files in ``temporary``."""

    def __init__(self, temporary: Path, *arguments: str) -> None:
        self.temporary = temporary
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.process = subprocess.Popen(
            [*COMMAND, "--simulated", "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def workers(self) -> list[dict[str, Any]]:
        """Return what ``/workers`` tells of each."""
        answer = httpx.get(f"{self.url}/workers", trust_env=False, verify=False, timeout=GUARD_SECONDS)
        return list(answer.json()["workers"])

    def ready_pids(self) -> set[int]:
        """Return the processes of the workers that serve."""
        try:
            return {worker["pid"] for worker in self.workers() if worker["status"] == "ready"}
        except httpx.TransportError:
            return set()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for ``condition``, which must come before the server's end."""
        deadline = time.monotonic() + GUARD_SECONDS
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)


@contextmanager
def simulated_server(*arguments: str) -> Iterator[SimulatedServer]:
    """Yield a ready server with two runtimes; it is ended afterwards if it still runs."""
    folder = Path(tempfile.mkdtemp(prefix="sl-"))
    server = SimulatedServer(folder, *arguments)
    try:
        server.until(lambda: len(server.ready_pids()) == 2)
        yield server
    finally:
        server.process.terminate()  # drains, if it hasn't ended
        try:
            server.process.wait(timeout=GUARD_SECONDS)
        except subprocess.TimeoutExpired:
            server.process.kill()  # its children end with their lifelines
        server.process.communicate()
        shutil.rmtree(folder, ignore_errors=True)
