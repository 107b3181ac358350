"""Whether a process is stopped, with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from engine.controller.stopped_processes import is_stopped
from tests.waiting import block_until


def test_stopped_processes_are_told_from_others() -> None:
    """From those that run, sleep or have ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not is_stopped(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        block_until(lambda: is_stopped(process.pid))
        os.kill(process.pid, signal.SIGCONT)
        block_until(lambda: not is_stopped(process.pid))
    finally:
        process.kill()
        process.communicate()
    assert not is_stopped(process.pid)
    assert not is_stopped(os.getpid())
