"""Signs of life of another process, on a clock of the test's and of real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from engine.worker.pulse import Pulse, cpu_seconds, family_cpu_seconds
from sched.clock import ManualClock
from tests.waiting import eventually


class _Watched:
    """A process whose signs the test sets."""

    def __init__(self) -> None:
        self.turns, self.cpu, self.family = 1, 0.5, 0.0
        self.clock = ManualClock(1000.0)
        self.pulse = Pulse(lambda: self.turns, lambda: self.cpu, lambda: self.family, self.clock)

    def still_after(self, seconds: float) -> float:
        """Look every half a second for so long; return what the last look says."""
        for _ in range(round(seconds / 0.5)):
            self.clock.advance(0.5)
            still = self.pulse.still_seconds()
        return still


def test_without_any_sign_it_stands_still() -> None:
    """From the last look that saw a sign on."""
    watched = _Watched()
    assert watched.still_after(3.0) == 3.0
    watched.turns += 1
    assert watched.still_after(0.5) == 0.0
    assert watched.still_after(2.0) == 2.0


@pytest.mark.parametrize("sign", ["turns", "cpu", "family"])
def test_each_sign_is_enough(sign: str) -> None:
    """A loop that turns; a long pass that computes; a compiler that the process waits for."""
    watched = _Watched()
    for _ in range(20):
        setattr(watched, sign, getattr(watched, sign) + 1)
        assert watched.still_after(0.5) == 0.0
    assert watched.still_after(0.5) == 0.5, "what it did before it stood still is no sign of now"


def test_a_watcher_that_was_stopped_itself_has_seen_no_standstill() -> None:
    """Both may have been stopped together: it looks again before it says so."""
    watched = _Watched()
    watched.clock.advance(600.0)
    assert watched.pulse.still_seconds() == 2.0
    watched.turns += 1
    assert watched.still_after(0.5) == 0.0


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose child computes while it waits."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    process = subprocess.Popen([sys.executable, "-c", code])
    yield process
    for child in psutil.Process(process.pid).children():
        child.kill()
    process.kill()
    process.wait()


def test_processor_time_of_real_processes(busy: subprocess.Popen[bytes]) -> None:
    """A child's counts for its family; a stopped process uses none; one that has ended is no error."""
    assert eventually(lambda: family_cpu_seconds(busy.pid) > 0.1)
    grown = family_cpu_seconds(busy.pid)
    assert eventually(lambda: family_cpu_seconds(busy.pid) > grown)
    (child,) = psutil.Process(busy.pid).children()
    os.kill(child.pid, signal.SIGSTOP)
    assert eventually(lambda: child.status() == psutil.STATUS_STOPPED)
    assert cpu_seconds(child.pid) == cpu_seconds(child.pid) > 0.0
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert cpu_seconds(ended.pid) == family_cpu_seconds(ended.pid) == 0.0
