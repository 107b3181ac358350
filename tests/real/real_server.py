"""A real server for tests: ``python -m launch.server`` with its controller, workers and SGLang processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from launch.checks import free_port
from tests.pass_gate import Gate
from tests.waiting import GUARD_SECONDS

ROOT = Path(__file__).resolve().parents[2]
CROWDED = ("--window-tokens", "100000", "--", "--max-running-requests", "2")
"""Few slots, so that calls wait inside SGLang; a wide window, so that none waits in the controller."""
PATIENCE = {f"SLUICE_{what}_AFTER_SECONDS": str(GUARD_SECONDS) for what in ("HUNG", "LOST", "KILL")}
"""However slow the machine is, no process that lives is given up; tests of that set limits of their own."""
START_SECONDS = 900.0
"""A bound against hanging: on a quiet machine a start takes half a minute."""


@dataclass(slots=True)
class RealServer:
    """A running server.  ``family`` holds every process seen below the launcher; ``gate`` stands before the
    passes of its runtimes, if these are real."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    temporary: Path
    family: list[psutil.Process]
    gate: Gate

    @property
    def url(self) -> str:
        """The server's base address."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        """Return a client with a time limit on every wait, without certificates, which take long to read."""
        return httpx.Client(base_url=self.url, timeout=GUARD_SECONDS, trust_env=False, verify=False)

    def workers(self) -> list[dict[str, Any]]:
        """Return what ``/workers`` says of each runtime."""
        with self.client() as client:
            return list(client.get("/workers").raise_for_status().json()["workers"])

    def idle(self) -> bool:
        """Whether no runtime has anything to do, by its last heartbeat."""
        return all(not worker["running"] and not worker["waiting"] for worker in self.workers())

    def load(self) -> int:
        """Return how many requests wait or run on the runtimes, by their last heartbeats."""
        return sum((worker.get("running") or 0) + (worker.get("waiting") or 0) for worker in self.workers())

    def ready(self) -> bool:
        """Whether the server takes work and all of its runtimes serve."""
        try:
            with self.client() as client:
                answer = client.get("/readiness")
                return answer.is_success and not answer.json()["degraded"]
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Send SIGTERM, wait and return the exit code."""
        self.family = self.processes()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GUARD_SECONDS)

    def survivors(self) -> list[psutil.Process]:
        """Return the processes of the server that still live."""
        return [p for p in self.family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    def wait_until_ready(self) -> None:
        """Wait for the server to be ready; a failing start fails the test with its log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended while starting:\n{self.log.read_text()}")
            if self.ready():
                self.family = self.processes()
                return
            time.sleep(0.2)
        raise AssertionError(f"not ready after {START_SECONDS} s:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End everything that is left, for the sake of the machine."""
        if self.process.poll() is None:
            self.family = self.processes()
            self.process.kill()
            self.process.wait(GUARD_SECONDS)
        for process in self.survivors():
            process.kill()

    def processes(self) -> list[psutil.Process]:
        """Return the processes of the server that run now."""
        launcher = psutil.Process(self.process.pid)
        return [launcher, *launcher.children(recursive=True)]


@contextmanager
def real_server(folder: Path, *arguments: str) -> Iterator[RealServer]:
    """Start a server with ``arguments``; on leaving, end whatever the test left running."""
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "server.log"
    gate = Gate(folder / "gate")
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "launch.server", "--port", str(port), *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary)} | PATIENCE | gate.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = RealServer(process, port, log, temporary, [], gate)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()
