"""Nothing that a test starts outlives the tests, however these end: a pytest plugin.

Every process that tests start inherits a mark in its environment.  A guard process waits on a pipe that
closes with pytest, also when pytest is killed, and then ends whatever still carries the mark.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from contextlib import suppress

import psutil
import pytest

from tests.waiting import eventually

MARK = "SLUICE_TEST_SESSION"
POLITE_SECONDS = 5.0
"""How long servers may take to drain before they are killed."""
ENDING_VARIABLE = "SLUICE_TEST_ENDING_SECONDS"
"""Sets how long what a finished session has told to end may take before it counts as left (60 s)."""
_ENDED = b"ended"
_RESOURCE_TRACKER = "multiprocessing.resource_tracker"
_guard = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Mark what the session starts, and start its guard; a worker of pytest-xdist is marked already."""
    if hasattr(config, "workerinput"):
        return
    os.environ[MARK] = mark = f"{os.getpid()}-{uuid.uuid4().hex}"
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    config.stash[_guard] = subprocess.Popen(
        [sys.executable, "-m", "tests.process_guard", mark],
        cwd=config.rootpath,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the guard look once more; a session that has left something fails."""
    guard = session.config.stash.get(_guard, None)
    if guard is None:
        return
    guard.communicate(b"" if session.exitstatus == pytest.ExitCode.INTERRUPTED else _ENDED)
    if guard.returncode and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def marked(mark: str) -> list[psutil.Process]:
    """Return the running processes that carry ``mark``; not resource trackers, which end by themselves."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            runs = process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
            if runs and not any(_RESOURCE_TRACKER in part for part in process.cmdline()):
                found.append(process)
    return found


def none_left(mark: str, seconds: float) -> bool:
    """Wait at most ``seconds`` for the end of all that carries ``mark``; tell whether it came to that."""
    return eventually(lambda: not marked(mark), seconds)


def end(mark: str) -> list[str]:
    """End every process that carries ``mark``, politely first; return their command lines."""
    commands = []
    for process in marked(mark):
        with suppress(psutil.Error):
            commands.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
            process.terminate()
    while not none_left(mark, POLITE_SECONDS):
        for process in marked(mark):
            with suppress(psutil.Error):
                process.kill()
    return commands


def main(mark: str) -> int:
    """Wait for the end of the session with ``mark``; return 1 if a session that finished left something."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    finished = sys.stdin.buffer.read() == _ENDED
    if finished:
        none_left(mark, float(os.environ.get(ENDING_VARIABLE, "60")))
    left = end(mark)
    if finished and left:
        print("left running by tests:", *left, sep="\n  ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
