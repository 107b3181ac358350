"""Tests that are interrupted leave no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.process_guard import ENDING_VARIABLE, MARK
from tests.waiting import GUARD_SECONDS, eventually

ROOT = Path(__file__).resolve().parents[1]
STARTS_A_SERVER = """
import subprocess, sys, time
from pathlib import Path

SLEEPER = [sys.executable, "-c", {code!r}]


def test_starts_one():
    process = subprocess.Popen(SLEEPER, start_new_session=True)
    Path({pid_file!r}).write_text(str(process.pid))
    {then}
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
MEEK = "import time; time.sleep(600)"


@contextmanager
def inner(
    folder: Path, *, code: str = MEEK, then: str = "time.sleep(600)"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a pytest of its own whose test starts a process in a session of its own."""
    test = folder / "test_inner.py"
    test.write_text(STARTS_A_SERVER.format(code=code, pid_file=str(folder / "pid"), then=then))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment[ENDING_VARIABLE] = "0.5"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.process_guard",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    process = subprocess.Popen(
        [*command, f"--rootdir={ROOT}", str(test)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=GUARD_SECONDS)


def started(folder: Path) -> psutil.Process:
    """Return the process that the inner test started, once it has."""
    file = folder / "pid"
    assert eventually(lambda: file.exists() and file.read_text() != "")
    return psutil.Process(int(file.read_text()))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, MEEK), (signal.SIGINT, MEEK), (signal.SIGKILL, STUBBORN)]
)
def test_what_tests_started_ends_with_them(tmp_path: Path, signum: signal.Signals, code: str) -> None:
    """Whatever signal ends pytest, a process in another session ends too, even if it ignores SIGTERM."""
    with inner(tmp_path, code=code) as run:
        server = started(tmp_path)
        run.send_signal(signum)
        assert eventually(lambda: gone(server))


def test_a_session_that_leaves_a_process_fails(tmp_path: Path) -> None:
    """A test must end what it starts: otherwise the run fails, names the process and ends it."""
    with inner(tmp_path, then="pass") as run:
        server = started(tmp_path)
        output, _ = run.communicate(timeout=GUARD_SECONDS)
        assert run.returncode != 0
        assert b"left running by tests" in output
        assert str(server.pid).encode() in output
        assert eventually(lambda: gone(server))


def test_this_session_is_guarded() -> None:
    """The mark is there, in the workers of pytest-xdist, too."""
    assert os.environ[MARK]
