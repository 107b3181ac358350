"""A server to be hurt: ``python -m launch.server`` as users start it, and a way to each of its processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from engine.sglang.variables import LEDGER
from launch.bench.cost.probe_load import BenchError
from launch.checks import CHECKOUT, free_port

LOOK_SECONDS = 0.02
_START_SECONDS = 300.0
_END_SECONDS = 60.0
_ASK_SECONDS = 5.0


class ChaosServer:
    """A running server; ``folder`` has its log, its ledger, its journal unless ``arguments`` name another,
    and below ``tmp`` what it keeps itself.

    ``simulated``: its runtimes are stand-ins.  ``environment`` is added to this process's own.
    """

    def __init__(
        self, folder: Path, arguments: Sequence[str], simulated: bool, environment: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.simulated = simulated
        self.ledger = folder / "ledger"
        self.log = folder / "server.log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._journal = folder / "journal"
        given = () if "--journal" in arguments else ("--journal", str(self._journal))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        kind = ("--simulated",) if simulated else ()
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "launch.server", "--port", str(port), *kind, *given, *arguments],
                cwd=CHECKOUT,
                env={**os.environ, "TMPDIR": str(self.temporary), LEDGER: str(self.ledger), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._family: list[psutil.Process] = []
        self._client = httpx.Client(base_url=self.url, timeout=_ASK_SECONDS, trust_env=False)

    def get(self, path: str) -> Any:
        """Return the JSON at ``path``, ``None`` if there is no answer or it is an error."""
        with suppress(httpx.HTTPError):
            answer = self._client.get(path)
            return answer.json() if answer.is_success else None
        return None

    def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """Return a workflow as the server shows it, ``None`` if it doesn't."""
        shown: dict[str, Any] | None = self.get(f"/v1/workflows/{workflow_id}")
        return shown

    def accepted(self, workflow_id: str) -> bool:
        """Whether the journal has a workflow; also after the server's end."""
        name = f'"workflow_id":"{workflow_id}"'.encode()
        return any(name in file.read_bytes() for file in self.folder.glob("journal*"))

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return what ``/workers`` says of each runtime, by name; nothing without an answer."""
        answer = self.get("/workers")
        return {worker["name"]: worker for worker in answer["workers"]} if answer else {}

    def ready(self) -> bool:
        """Whether the server takes work and all of its runtimes serve."""
        answer = self.get("/readiness")
        return answer is not None and not answer["degraded"]

    def running(self) -> bool:
        """Whether the launcher lives."""
        return self.process.poll() is None

    def said(self) -> str:
        """Return what the launcher has printed."""
        return self.log.read_text("utf-8", "replace")

    def controller(self) -> psutil.Process | None:
        """Return the controller's process, ``None`` while there is none."""
        return next(self._named("launch.controller"), None)

    def statement_processes(self) -> list[psutil.Process]:
        """Return the processes that run the controller's statements."""
        return list(self._named("statement_child"))

    def below(self, worker_pid: int, title: str) -> psutil.Process | None:
        """Return the process of SGLang's below a worker whose title contains ``title``."""
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(worker_pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if title in " ".join(process.cmdline()):
                        return process
        return None

    def survivors(self) -> list[psutil.Process]:
        """Return the processes of the server, seen so far, that still live."""
        self.remember()
        return [process for process in self._family if _alive(process)]

    def remember(self) -> None:
        """Note all processes of the server that there are: after the launcher's end nobody can tell."""
        with suppress(psutil.NoSuchProcess):
            launcher = psutil.Process(self.process.pid)
            if _alive(launcher):
                known = {launcher, *self._family, *launcher.children(recursive=True)}
                self._family = list(known)

    def wait_until_ready(self) -> None:
        """Wait until the server and all of its runtimes serve.

        Raises:
            BenchError: it ended, or takes too long; with its log.
        """
        if not until(lambda: not self.running() or self.ready(), _START_SECONDS) or not self.running():
            raise BenchError(f"the server did not start:\n{self.said()}")
        self.remember()

    def stop(self) -> None:
        """Drain the server; end whatever is left of it."""
        self.remember()
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_SECONDS)
        for process in self.survivors():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(_END_SECONDS)
        self._client.close()

    def _named(self, part: str) -> Iterator[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if any(part in word for word in process.cmdline()):
                        yield process


@contextmanager
def chaos_server(
    arguments: Sequence[str], simulated: bool, environment: Mapping[str, str] | None = None
) -> Iterator[ChaosServer]:
    """Start a server, ready, in a folder of its own; on leaving, end all of it and remove the folder.

    Raises:
        BenchError: it doesn't start.
    """
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        server = ChaosServer(folder, arguments, simulated, environment or {})
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait at most ``seconds`` for ``condition`` and return whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
