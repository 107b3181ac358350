"""What the journal remembers of workflows, whatever happened to the controller that wrote it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.controller.journal import line_index
from engine.controller.journal.journal import Journal
from engine.controller.journal.lines import MAX_LINE_BYTES, read_line
from engine.controller.timeline import BARE_CALL
from sched.errors import ConfigError, Failure
from sched.request import State, WorkflowSpec
from tests.engine.controller.journal.journal_builders import again, end, names, open_journal, record, settled


def test_an_ended_workflow_is_shown_as_before(tmp_path: Path) -> None:
    """Outcome, result and timeline are those that the first controller showed."""
    path = tmp_path / "journal"
    journal = Journal(path)
    done, failed = settled("done"), record("failed", database="shop", tenant="team")
    failed.settle(State.FAILED, 1.0, False, Failure("timeout", "too long", retry_after=2.0))
    for workflow in (done, failed):
        journal.accepted(workflow)
        end(journal, workflow)
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
    end(journal, settled("again"))
    journal.accepted(record("again", started_at=101.0))
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
    end(journal, bare)
    assert (tmp_path / "journal").read_bytes() == b""


def test_a_large_answer_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    """The workflow is remembered without its rows."""
    path = tmp_path / "journal"
    journal = Journal(path)
    end(journal, settled(rows=["x" * MAX_LINE_BYTES]))
    journal.close()
    (workflow,) = again(path)
    assert (workflow.result, workflow.as_dict()["result_omitted"]) == (None, True)
    assert len(workflow.entries) == 2
    assert path.stat().st_size < 10_000


@pytest.mark.parametrize("value", [2**70, "\ud800"])
def test_a_result_that_is_no_json_is_left_out_and_said_to_be(tmp_path: Path, value: object) -> None:
    """A number beyond 64 bits, half of a pair of surrogates: the workflow's end is recorded all the same."""
    journal = Journal(tmp_path / "journal")
    end(journal, settled(value=value))
    journal.close()
    (workflow,) = again(tmp_path / "journal")
    assert (workflow.state, workflow.result_omitted) == ("finished", True)


def test_the_files_stay_small(tmp_path: Path) -> None:
    """Two files are kept; the latest workflows are there, and one that runs for long is not forgotten."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path, max_bytes=40_000)
    journal.accepted(record("long"))
    for number in range(100):
        end(journal, settled(f"w{number}"))
    assert journal.size == sum(file.stat().st_size for file in tmp_path.iterdir()) <= 40_000
    journal.close()
    told = names(again(path))
    assert told[-2:] == ["w99", "long"]
    assert 10 < len(told) < 50


def test_open_workflows_that_fill_the_file_do_not_turn_it_over_again_and_again(tmp_path: Path) -> None:
    """Each turn writes all of them: the cost of a line must not grow with their number."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path, max_bytes=2_000)
    turns = set()
    for number in range(300):
        journal.accepted(record(f"w{number}"))
        turns.add(path.stat().st_ino)
    journal.close()
    assert len(turns) < 12
    assert len(again(path, max_bytes=2_000)) == 300


def test_an_ended_workflow_is_found_by_its_id_until_its_file_goes(tmp_path: Path) -> None:
    """In the present file, in the older one, and by a later controller."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path, max_bytes=10_000)
    shown = {}
    for number in range(40):
        workflow = settled(f"w{number}")
        end(journal, workflow)
        shown[workflow.spec.workflow_id] = workflow.as_dict()
    found = [name for name in shown if journal.find(name)]
    assert found == [f"w{number}" for number in range(40 - len(found), 40)]
    assert 5 < len(found) < 20
    for _ in range(2):
        for name in found:
            line = journal.find(name)
            assert line is not None
            assert read_line(line).as_dict() == shown[name]
        assert journal.find("w0") is None
        journal.close()
        assert journal.find("w39") is None
        journal, _ = open_journal(path, max_bytes=10_000)
    journal.close()


def test_the_places_that_are_known_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first."""
    monkeypatch.setattr(line_index, "MOST_KNOWN", 2)
    journal = Journal(tmp_path / "journal")
    end(journal, settled("a"), settled("b"), settled("a", started_at=101.0), settled("c"))
    assert [bool(journal.find(name)) for name in "abc"] == [True, False, True]
    journal.close()


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    """Questions and rows stand in them; files of an earlier version are corrected, too."""
    path, older = tmp_path / "journal", tmp_path / "journal.1"
    for file in (path, older):
        file.write_bytes(b"bad\n")
        file.chmod(0o644)
    before = os.umask(0)
    try:
        journal, _ = open_journal(path, max_bytes=1000)
        for _ in range(4):
            end(journal, settled())
        journal.close()
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"journal": 0o600, "journal.1": 0o600, "journal.bad": 0o600}


def test_what_is_no_regular_file_keeps_its_mode(tmp_path: Path) -> None:
    """A device belongs to the system; a pipe that nobody reads blocks nothing."""
    before = os.stat("/dev/null").st_mode
    journal, _ = open_journal(Path("/dev/null"))
    end(journal, settled())
    assert journal.trouble is None
    journal.close()
    assert os.stat("/dev/null").st_mode == before
    os.mkfifo(tmp_path / "pipe")
    journal, _ = open_journal(tmp_path / "pipe")
    for number in range(300):
        end(journal, settled(f"w{number}"))
    assert journal.trouble is not None
    journal.close()


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    """A second server is told to take another file; when the first has ended it is free."""
    path = tmp_path / "journal"
    journal, _ = open_journal(path, max_bytes=1000)
    for _ in range(3):
        with pytest.raises(ConfigError, match="another server's: name another file"):
            Journal(path)
        end(journal, settled())  # turns it over
    journal.close()
    Journal(path).close()


def test_what_the_previous_version_wrote_is_read(tmp_path: Path) -> None:
    """Its lines have no version, no number of calls, and nothing that was summed up."""
    (tmp_path / "journal").write_bytes(OLD)
    (workflow,) = again(tmp_path / "journal")
    assert (workflow.spec.workflow_id, workflow.state, workflow.calls) == ("old", "finished", 1)
    assert workflow.result == {"sql": "SELECT 1"}
    assert not (tmp_path / "journal.bad").exists()


OLD = (
    b'{"at":1.0,"kind":"accepted","workflow_id":"old","spec":{"workflow_id":"old","slo_seconds":9.0,'
    b'"kind":"text2sql","tenant":"default","database":null,"plan":[]},"started_at":1.0}\n'
    b'{"at":2.0,"kind":"ended","workflow_id":"old","spec":{"workflow_id":"old","slo_seconds":9.0,'
    b'"kind":"text2sql","tenant":"default","database":null,"plan":[{"stage":"draft","visits":1.5}]},'
    b'"started_at":1.0,"state":"finished","seconds":1.0,"deadline_met":true,"failure":null,"timeline":['
    b'{"kind":"call","index":0,"stage":"draft","branch":null,"ready_at":0.0,"state":"finished","runtime":"r0",'
    b'"attempts":1,"rekeys":0,"waited_seconds":0.0,"ttft_seconds":0.1,"total_seconds":0.2,"prompt_tokens":5,'
    b'"cached_tokens":0,"output_tokens":3,"finish_reason":"stop","error":null,"decision":null,'
    b'"unreadable":false,"output":null}],"result":{"sql":"SELECT 1"}}\n'
)
