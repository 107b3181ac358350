"""What a scheduler writes down of the requests that it takes in and begins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.sglang.batch_ledger import BatchLedger
from engine.worker.run_ledger import RunLedger


def named(*rids: str) -> list[Any]:
    return [SimpleNamespace(rid=rid) for rid in rids]


class Scheduler:
    """A stand-in for SGLang's, with as much of it as the ledger looks at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.waiting_queue: list[Any] = []
        self.running_batch = SimpleNamespace(reqs=[])
        self._ledger = BatchLedger(RunLedger(str(path)))

    def turn(self, waiting: list[Any], chosen: list[Any] | None, extends: bool = True) -> list[str]:
        """Choose a batch from what waits; return all that is written by then, without times."""
        mode = SimpleNamespace(is_extend=lambda: extends)
        batch = None if chosen is None else SimpleNamespace(reqs=chosen, forward_mode=mode)
        plan = SimpleNamespace(batch_to_run=batch)
        self.waiting_queue = waiting
        assert self._ledger(lambda scheduler: plan, self) is plan
        return [line.partition(" ")[2] for line in self.path.read_text().splitlines()]


def test_each_request_comes_and_begins_once(tmp_path: Path) -> None:
    """A prompt in several passes begins with the first; decoding begins nothing; nothing may run, too."""
    scheduler = Scheduler(tmp_path / "ledger")
    written = ["came a", "began a"]
    assert scheduler.turn(named("a"), named("a")) == written
    assert scheduler.turn([], named("a")) == written, "its second part"
    scheduler.running_batch.reqs = named("a")
    assert scheduler.turn([], named("a"), extends=False) == written
    assert scheduler.turn(named("b"), None) == [*written, "came b"]
    assert scheduler.turn(named("b"), named("a", "b")) == [*written, "came b", "began b"], "mixed"
