"""The turns of scheduler loops, from their end to the worker's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.sglang.turns import SchedulerPulses, TurnCounter, turning_method
from sched.clock import ManualClock
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
RANK = """
import os, sys
from pathlib import Path
from engine.sglang.turns import TurnCounter
TurnCounter(Path(sys.argv[1]))()
print("turned", flush=True)
sys.stdin.read()
"""


def test_the_stillest_rank_counts(tmp_path: Path) -> None:
    """A rank that hangs makes the others wait, busily: a runtime lives as long as all of its ranks do."""
    clock = ManualClock()
    pulses = SchedulerPulses(tmp_path, clock)
    assert pulses.still_seconds() == 0.0, "none has turned yet"
    other = subprocess.Popen(
        [sys.executable, "-c", RANK, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        own = TurnCounter(tmp_path)
        own()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            f"turns.{pid}" for pid in (os.getpid(), other.pid)
        )

        def stands_still() -> bool:
            own()
            clock.advance(1.0)
            return pulses.still_seconds() >= 3.0

        assert eventually(stands_still), "this process turns, the other one waits for its standard input"
    finally:
        other.communicate()


@pytest.mark.parametrize(
    ("methods", "name"),
    [
        (("get_next_batch_to_run", "ingest_requests"), "ingest_requests"),
        (("get_next_batch_to_run", "recv_requests"), "recv_requests"),
        (("get_next_batch_to_run",), "get_next_batch_to_run"),
    ],
)
def test_each_version_has_a_method_of_its_turns(methods: tuple[str, ...], name: str) -> None:
    """The first one that the scheduler has is hooked; without any no hook is, and the start fails."""
    scheduler: Any = type("Scheduler", (), dict.fromkeys(methods))
    assert turning_method(scheduler) == name
    with pytest.raises(AttributeError, match="ingest_requests, recv_requests, get_next_batch_to_run"):
        turning_method(object)
