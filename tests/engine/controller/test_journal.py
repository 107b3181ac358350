"""What the journal remembers of workflows, whatever happened to the controller that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.controller.journal import Journal
from engine.controller.timeline import BARE_CALL, CallEntry, SqlEntry, WorkflowRecord
from sched.decisions import DecisionRecord
from sched.errors import ConfigError, Failure
from sched.request import State, WorkflowSpec
from sched.workflow import PlanStep

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


def record(name: str = "w", **spec: Any) -> WorkflowRecord:
    """Return a workflow that began at Unix time 100."""
    plan = (PlanStep("draft", 1.5),)
    return WorkflowRecord(
        WorkflowSpec(workflow_id=name, slo_seconds=9.0, plan=plan, **spec), arrival=5.0, started_at=100.0
    )


def settled(name: str = "w", **result: Any) -> WorkflowRecord:
    """Return one that finished, with a call and a statement."""
    workflow = record(name)
    workflow.add(CallEntry(stage="draft", branch=None, ready_at=0.0, runtime="r0", decision=DECISION))
    workflow.add(SqlEntry(stage="execute", branch=1, ready_at=0.5, statement="SELECT 'é'", row_count=3))
    workflow.result = {"sql": "SELECT 'é'", **result}
    workflow.settle(State.FINISHED, 2.5, True, None)
    return workflow


def again(path: Path, **options: Any) -> list[WorkflowRecord]:
    """Return what a new controller is told at Unix time 130."""
    journal = Journal(path, wall_clock=lambda: 130.0, **options)
    restored = journal.restore()
    journal.close()
    return restored


def test_an_ended_workflow_is_shown_as_before(tmp_path: Path) -> None:
    """Outcome, result and timeline are those that the first controller showed."""
    path = tmp_path / "journal"
    journal = Journal(path)
    done, failed = settled("done"), record("failed", database="shop", tenant="team")
    failed.settle(State.FAILED, 1.0, False, Failure("timeout", "too long", retry_after=2.0))
    for workflow in (done, failed):
        journal.accepted(workflow)
        journal.ended(workflow)
    journal.close()
    assert [workflow.as_dict() for workflow in again(path)] == [done.as_dict(), failed.as_dict()]


def test_a_workflow_without_an_end_was_lost(tmp_path: Path) -> None:
    """It failed with its controller, and stays so for the controllers to come."""
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.accepted(record())
    journal.close()
    for _ in range(2):
        (lost,) = again(path)
        assert (lost.state, lost.seconds, lost.deadline_met) == (State.FAILED, 30.0, False)
        assert lost.failure is not None
        assert lost.failure.code == "controller_lost"


def test_the_last_word_on_a_workflow_counts(tmp_path: Path) -> None:
    """A changed deadline replaces the first; an id that is used again is another workflow."""
    path = tmp_path / "journal"
    journal = Journal(path)
    changed = record("changed")
    journal.accepted(changed)
    changed.spec = WorkflowSpec(workflow_id="changed", slo_seconds=77.0)
    journal.accepted(changed)
    journal.ended(settled("again"))
    journal.accepted(record("again"))
    journal.close()
    restored = {(w.spec.workflow_id, w.state): w for w in again(path)}
    assert restored["changed", State.FAILED].spec.slo_seconds == 77.0
    assert set(restored) == {
        ("changed", State.FAILED),
        ("again", State.FINISHED),
        ("again", State.FAILED),
    }


def test_a_call_of_no_workflow_is_not_recorded(tmp_path: Path) -> None:
    """Nobody could ask for it, and there are many."""
    journal = Journal(tmp_path / "journal")
    bare = record("call-1", kind=BARE_CALL)
    journal.accepted(bare)
    bare.settle(State.FINISHED, 1.0, True, None)
    journal.ended(bare)
    assert (tmp_path / "journal").read_bytes() == b""


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A torn last line, other kinds and another version's fields cost nothing but themselves."""
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.ended(settled("good"))
    journal.close()
    line = path.read_bytes()
    other = orjson.loads(line) | {"timeline": [{"kind": "call", "unknown": 1}]}
    step = {"kind": "step", "workflow_id": "good"}
    with path.open("ab") as file:
        for content in (step, other, ["no", "object"]):
            file.write(orjson.dumps(content) + b"\n")
        file.write(line[: len(line) // 2])
    assert [workflow.spec.workflow_id for workflow in again(path)] == ["good"]
    journal = Journal(path)
    journal.ended(settled("next"))
    journal.close()
    assert [workflow.spec.workflow_id for workflow in again(path)] == ["good", "next"]


def test_a_large_answer_is_left_out(tmp_path: Path) -> None:
    """The workflow is remembered without its rows."""
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.ended(settled(rows=[["x" * 1000]] * 1000))
    journal.close()
    (workflow,) = again(path)
    assert workflow.result is None
    assert len(workflow.entries) == 2
    assert path.stat().st_size < 10_000


def test_the_files_stay_small(tmp_path: Path) -> None:
    """Two files are kept; the latest workflows are there, and one that runs for long is not forgotten."""
    path = tmp_path / "journal"
    journal = Journal(path, max_bytes=20_000)
    journal.accepted(record("long"))
    for number in range(100):
        journal.ended(settled(f"w{number}"))
    journal.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 50_000
    names = [workflow.spec.workflow_id for workflow in again(path)]
    assert names[-1] == "long"
    assert names[-2] == "w99"
    assert 10 < len(names) < 50


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    """A second server is told to take another file; when the first has ended it is free."""
    path = tmp_path / "journal"
    journal = Journal(path)
    with pytest.raises(ConfigError, match="another server's: name another file"):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_a_file_that_cannot_be_opened_is_a_mistake(tmp_path: Path) -> None:
    """The flag and the remedy are named."""
    with pytest.raises(ConfigError, match=r"--journal .*Is a directory; name a file"):
        Journal(tmp_path)


def test_a_full_disk_ends_the_journal_only() -> None:
    """When nothing can be written any more, the server goes on without."""
    journal = Journal(Path("/dev/full"))
    journal.accepted(record())
    journal.accepted(record("another"))
    journal.close()
