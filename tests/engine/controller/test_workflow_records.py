"""Ended workflows go from memory to the journal, and from there in the end."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.controller.journal.journal import Journal, JournalOptions
from engine.controller.journal.lines import ended_line
from engine.controller.timeline import WorkflowRecord
from engine.controller.workflow_records import WorkflowRecords
from tests.engine.controller.journal.journal_builders import record, settled

ROWS = "x" * 10_000
LINE = len(ended_line(settled("w00", rows=ROWS), 103.0))


def kept(records: WorkflowRecords, count: int) -> list[WorkflowRecord]:
    """Let ``count`` workflows begin and end, and return them."""
    workflows = [settled(f"w{number:02}", rows=ROWS) for number in range(count)]
    for workflow in workflows:
        name = workflow.spec.workflow_id
        records.open(workflow)
        records.note(workflow)
        assert records.close(name) is workflow
        records.keep(workflow)
    return workflows


def ids(records: WorkflowRecords, limit: int = 100) -> list[str]:
    """Return the ids in the list of workflows."""
    return [orjson.loads(summary)["workflow_id"] for summary in records.summaries(limit)]


def test_without_a_journal_the_oldest_expire() -> None:
    """It is remembered that they ended."""
    records = WorkflowRecords(kept_bytes=3 * (LINE + 600))
    workflows = kept(records, 10)
    found = {workflow.spec.workflow_id: records.get(workflow.spec.workflow_id) for workflow in workflows}
    assert [name for name, shown in found.items() if shown] == ["w07", "w08", "w09"] == ids(records)[::-1]
    assert [shown.as_dict() for shown in found.values() if shown] == [w.as_dict() for w in workflows[-3:]]
    assert records.kept.size <= 3 * (LINE + 600)
    assert records.has_expired("w00")
    assert not records.has_expired("w09")
    assert not records.has_expired("never")


def test_with_a_journal_they_are_read_from_there(tmp_path: Path) -> None:
    """All of them, as they were, also by the next controller; the list has those in memory."""
    path = tmp_path / "journal"
    for _ in range(2):
        journal = Journal(path)
        records = WorkflowRecords(2 * (LINE + 600), journal)
        if not ids(records):
            workflows = kept(records, 10)
        assert ids(records) == ["w09", "w08"]
        for workflow in workflows:
            shown = records.get(workflow.spec.workflow_id)
            assert shown is not None
            assert shown.as_dict() == workflow.as_dict()
        journal.close()


def test_what_leaves_the_journal_too_has_expired(tmp_path: Path) -> None:
    """The files hold ten, the memory one."""
    journal = Journal(tmp_path / "journal", JournalOptions(max_bytes=10 * (LINE + 600)))
    records = WorkflowRecords(LINE + 600, journal)
    workflows = kept(records, 30)
    found = [w.spec.workflow_id for w in workflows if records.get(w.spec.workflow_id)]
    assert found == [f"w{number:02}" for number in range(30 - len(found), 30)]
    assert 5 <= len(found) <= 10
    assert records.has_expired("w00")
    journal.close()


def test_a_line_that_somebody_overwrote_is_not_shown(tmp_path: Path) -> None:
    """The workflow is gone; the request that asks for it doesn't fail."""
    path = tmp_path / "journal"
    journal = Journal(path)
    records = WorkflowRecords(0, journal)
    kept(records, 1)
    path.write_bytes(b"z" * path.stat().st_size)
    assert records.get("w00") is None
    journal.close()


def test_open_workflows_come_first_in_the_list() -> None:
    """The newest before others; a limit cuts the ended ones first."""
    records = WorkflowRecords()
    kept(records, 2)
    for name in ("a", "b"):
        records.open(record(name))
    assert ids(records) == ["b", "a", "w01", "w00"]
    assert ids(records, 3) == ["b", "a", "w01"]
    assert ids(records, 1) == ["b"]
    assert (records.open_ids(), records.open_count) == (["a", "b"], 2)
