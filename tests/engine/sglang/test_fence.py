"""What SGLang may begin while its worker may have been given up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.sglang.fence import Fence
from engine.worker.lease import Lease, LeaseReader
from sched.clock import ManualClock


class Choice:
    """Stands for SGLang's choice: it takes the first that waits, and another becomes ready."""

    def __init__(self) -> None:
        self.saw: list[list[str]] = []
        self.fails = False

    def __call__(self, scheduler: Any) -> Any:
        self.saw.append(list(scheduler.waiting_queue))
        if self.fails:
            raise RuntimeError("no memory")
        taken, *left = scheduler.waiting_queue or [None]
        scheduler.waiting_queue = [*left, "grammar"]
        return taken


def test_nothing_begins_without_a_word(tmp_path: Path) -> None:
    """What waits keeps its place, also if SGLang fails; with the next word it begins."""
    clock, choice = ManualClock(), Choice()
    lease, fence = Lease(tmp_path, clock), Fence(LeaseReader(tmp_path, clock))
    scheduler = SimpleNamespace(waiting_queue=["a", "b"])
    lease.begin()
    assert fence(choice, scheduler) == "a"
    clock.advance(2.0)
    assert fence(choice, scheduler) is None
    assert choice.saw[-1] == []
    assert scheduler.waiting_queue == ["b", "grammar", "grammar"]
    choice.fails = True
    with pytest.raises(RuntimeError, match="no memory"):
        fence(choice, scheduler)
    assert scheduler.waiting_queue == ["b", "grammar", "grammar"]
    choice.fails = False
    lease.renew()
    assert fence(choice, scheduler) == "b"
