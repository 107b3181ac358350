"""Workflows to record, and what a later controller is told of them."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.controller.journal.journal import Journal, JournalOptions
from engine.controller.journal.lines import ended_line
from engine.controller.timeline import CallEntry, SqlEntry, WorkflowRecord
from sched.decisions import DecisionRecord
from sched.request import State, WorkflowSpec
from sched.workflow import PlanStep
from tests.waiting import block_until

DECISION = DecisionRecord(
    placement="least_work",
    ordering="urgency",
    reason="0.1 s",
    scores={"r0": 0.1},
    predicted_cached_tokens=1,
    predicted_output_tokens=2.0,
    predicted_seconds=0.5,
    slack_seconds=3.0,
    waited_seconds=0.0,
    key=-1.25,
)


def record(name: str = "w", started_at: float = 100.0, **spec: Any) -> WorkflowRecord:
    """Return a workflow that began at Unix time ``started_at``."""
    plan = (PlanStep("draft", 1.5),)
    return WorkflowRecord(
        WorkflowSpec(workflow_id=name, slo_seconds=9.0, plan=plan, **spec), arrival=5.0, started_at=started_at
    )


def settled(name: str = "w", started_at: float = 100.0, **result: Any) -> WorkflowRecord:
    """Return one that finished, with a call and a statement."""
    workflow = record(name, started_at)
    workflow.add(CallEntry(stage="draft", branch=None, ready_at=0.0, runtime="r0", decision=DECISION))
    workflow.add(
        SqlEntry(
            stage="execute",
            branch=1,
            ready_at=0.5,
            statement="SELECT 'é'",
            state=State.FINISHED,
            total_seconds=0.1,
            row_count=3,
        )
    )
    workflow.result = {"sql": "SELECT 'é'", **result}
    workflow.settle(State.FINISHED, 2.5, True, None)
    return workflow


def end(journal: Journal, *workflows: WorkflowRecord) -> None:
    """Record the ends of ``workflows``."""
    for workflow in workflows:
        journal.ended(workflow, ended_line(workflow, 103.0))


def open_journal(path: Path, **options: Any) -> tuple[Journal, list[WorkflowRecord]]:
    """Return the journal of a controller that starts at Unix time 130, and what it is told."""
    journal = Journal(path, JournalOptions(**options), wall_clock=lambda: 130.0)
    return journal, [workflow for workflow, _ in journal.restore()]


def again(path: Path, **options: Any) -> list[WorkflowRecord]:
    """Return what a new controller is told at Unix time 130."""
    journal, restored = open_journal(path, **options)
    journal.close()
    return restored


def names(workflows: list[WorkflowRecord]) -> list[str]:
    """Return the ids."""
    return [workflow.spec.workflow_id for workflow in workflows]


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``room`` bytes: a write takes what fits, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Beats:
    """The beats of a controller's heart, half a second each by a clock of their own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._now = 1000.0

    def pass_by(self, seconds: float) -> None:
        for _ in range(int(2 * seconds)):
            self._now += 0.5
            self._journal.beat(self._now)

    def reach(self, condition: Callable[[], bool]) -> None:
        """Beat until ``condition`` holds, which threads work on."""

        def holds() -> bool:
            self.pass_by(0.5)
            return condition()

        block_until(holds)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of what was logged, in which there is no traceback."""
    assert not any(record.exc_info for record in caplog.records)
    return [record.levelname for record in caplog.records]
