"""A server for one command: started on a free port of this machine, ended with the command."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
from rich.console import Console

from launch.checks import free_port

_START_SECONDS = 300.0
_STOP_SECONDS = 60.0


@contextmanager
def local_server(
    arguments: Sequence[str] = (), port: int = 0, progress: Console | None = None
) -> Iterator[str]:
    """Yield the address of ``python -m launch.server`` with ``arguments``, ready; stop it afterwards.

    ``port`` 0 means a free one.  With ``progress`` the server's own output is replaced by one line there.

    Raises:
        RuntimeError: it ended while starting, or wasn't ready in time.
    """
    port = port or free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "launch.server", "--port", str(port), *arguments],
        stdout=subprocess.DEVNULL if progress else None,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        if progress:
            with progress.status("starting a server …") as line:
                _wait_until_ready(server, url, lambda s: line.update(f"starting a server … {s:.0f} s"))
        else:
            _wait_until_ready(server, url, lambda _: None)
        yield url
    finally:
        _stop(server)


def _wait_until_ready(server: subprocess.Popen[bytes], url: str, tell: Callable[[float], None]) -> None:
    started = time.monotonic()
    while (seconds := time.monotonic() - started) < _START_SECONDS:
        tell(seconds)
        if server.poll() is not None:
            raise RuntimeError("the server ended while starting; its message is above")
        try:
            answer = httpx.get(f"{url}/readiness", timeout=2.0, trust_env=False)
            if answer.is_success and not answer.json()["degraded"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the server was not ready after {_START_SECONDS:.0f} s")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(5.0)
