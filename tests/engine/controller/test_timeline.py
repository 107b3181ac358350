"""The timeline of a long workflow: the latest steps, and the sums of those before them."""

from __future__ import annotations

from dataclasses import asdict

from engine.controller.timeline import (
    MOST_STAGES,
    MOST_STEPS,
    OTHER_STAGES,
    CallEntry,
    SqlEntry,
    WorkflowRecord,
)
from sched.request import State
from tests.factories import workflow_spec

LONG = 10 * MOST_STEPS


def call(stage: str = "s", state: State = State.FINISHED) -> CallEntry:
    """Return a call that took a second."""
    return CallEntry(
        stage=stage,
        branch=None,
        ready_at=0.0,
        state=state,
        prompt_tokens=10,
        cached_tokens=4,
        output_tokens=2,
        total_seconds=1.0,
    )


def statement(state: State = State.RUNNING) -> SqlEntry:
    """Return a statement that runs, or took two seconds."""
    seconds = None if state is State.RUNNING else 2.0
    return SqlEntry(
        stage="s", branch=None, ready_at=1.0, statement="SELECT 1", state=state, total_seconds=seconds
    )


def test_the_oldest_steps_of_a_long_workflow_are_summed_up() -> None:
    """Nothing is counted twice or forgotten, and each entry knows its place."""
    record = WorkflowRecord(workflow_spec(), arrival=0.0)
    for number in range(LONG):
        record.add(call(state=State.FAILED if number < 3 else State.FINISHED))
        record.add(statement(State.FINISHED))
    assert MOST_STEPS <= len(record.entries) <= MOST_STEPS * 5 // 4
    assert [entry.index for entry in record.entries] == list(range(2 * LONG - len(record.entries), 2 * LONG))
    calls, statements = (asdict(earlier) for earlier in record.earlier)
    summed = calls["steps"]
    assert calls == {
        "kind": "call",
        "stage": "s",
        "steps": summed,
        "unfinished": 3,
        "prompt_tokens": 10 * summed,
        "cached_tokens": 4 * summed,
        "output_tokens": 2 * summed,
        "total_seconds": float(summed),
    }
    assert (statements["kind"], statements["total_seconds"]) == ("sql", 2.0 * statements["steps"])
    assert summed + statements["steps"] + len(record.entries) == 2 * LONG
    assert record.summary()["calls"] == LONG
    for entry in record.entries:
        assert record.entry(entry.index) is entry
    assert record.entry(0) is None
    assert record.entry(2 * LONG) is None


def test_a_step_that_runs_stays_however_old_it_is() -> None:
    """It is still to be followed; later ones are summed up before it."""
    record = WorkflowRecord(workflow_spec(), arrival=0.0)
    running = call(state=State.RUNNING)
    record.add(running)
    for _ in range(LONG):
        record.add(call())
    assert record.entry(0) is running
    assert len(record.entries) <= MOST_STEPS * 5 // 4


def test_steps_that_all_run_are_looked_at_ever_more_rarely() -> None:
    """Nothing can be summed up, and looking for it must not cost more with each step."""
    record = WorkflowRecord(workflow_spec(), arrival=0.0)
    looks = 0
    before = record.entries
    for _ in range(LONG):
        record.add(call(state=State.RUNNING))
        looks += record.entries is not before
        before = record.entries
    assert len(record.entries) == LONG
    assert 0 < looks < 15


def test_stages_that_a_client_invents_are_bounded() -> None:
    """The first ones are summed up by name, the others as one."""
    record = WorkflowRecord(workflow_spec(), arrival=0.0)
    for number in range(LONG):
        record.add(call(stage=f"s{number}"))
    assert len(record.earlier) == MOST_STAGES + 1
    assert record.earlier[-1].stage == OTHER_STAGES
    assert sum(earlier.steps for earlier in record.earlier) + len(record.entries) == LONG


def test_a_statement_that_runs_at_the_end_is_shown_as_cancelled() -> None:
    """It is about to be; the workflow is kept as it is now."""
    record = WorkflowRecord(workflow_spec(), arrival=0.0)
    running = statement()
    record.add(running)
    record.settle(State.CANCELLED, 7.0, False, None)
    assert (running.state, running.total_seconds) == ("cancelled", 6.0)
    assert running.error == "the statement was cancelled"
