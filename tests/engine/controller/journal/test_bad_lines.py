"""Whatever lies where the journal should: it is set aside, and the rest is used."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.controller.journal import journal_file, restoration
from engine.controller.journal.lines import accepted_line, ended_line, read_line
from engine.controller.timeline import CallEntry
from tests.engine.controller.journal.journal_builders import (
    DECISION,
    again,
    end,
    full_disk,
    names,
    open_journal,
    record,
    settled,
)

GOOD = ended_line(settled("good"), 103.0)
_CONTENT: dict[str, Any] = orjson.loads(ended_line(settled("other"), 103.0))
_SPEC: dict[str, Any] = _CONTENT["spec"]


def _with(**changes: Any) -> bytes:
    return orjson.dumps(_CONTENT | changes)


def _deep(levels: int) -> bytes:
    return orjson.dumps(_CONTENT | {"result": {"a": "X"}}).replace(b'"X"', b"[" * levels + b"]" * levels)


BAD = {
    "no JSON": b"\x00\xff\xfe",
    "no object": b"[1, 2]",
    "cut off": GOOD[: len(GOOD) // 2],
    "unknown kind": _with(kind="step"),
    "no kind": orjson.dumps({}),
    "unknown version": _with(version=2),
    "a version of a wrong type": _with(version="1"),
    "a spec of a wrong type": _with(spec=[]),
    "a deadline of a wrong type": _with(spec=_SPEC | {"slo_seconds": "soon"}),
    "an id of a wrong type": _with(spec=_SPEC | {"workflow_id": {}}),
    "a huge id": _with(spec=_SPEC | {"workflow_id": "x" * 300}),
    "a plan of a wrong type": _with(spec=_SPEC | {"plan": [3]}),
    "no spec": orjson.dumps({k: v for k, v in _CONTENT.items() if k != "spec"}),
    "an unknown state": _with(state="lost"),
    "an end that is none": _with(state="running"),
    "negative seconds": _with(seconds=-1.0),
    "seconds without an end": orjson.dumps(_CONTENT).replace(b'"seconds":2.5', b'"seconds":1e999'),
    "a result of a wrong type": _with(result="rows"),
    "an entry of a wrong kind": _with(timeline=[{"kind": ["call"]}]),
    "an entry of an unknown kind": _with(timeline=[{"kind": "tool", "stage": "s"}]),
    "an entry without a stage": _with(timeline=[{"kind": "call"}]),
    "a decision of a wrong type": _with(
        timeline=[{"kind": "call", "stage": "s", "branch": None, "ready_at": 0, "decision": {"scores": 1}}]
    ),
    "half of a surrogate pair": orjson.dumps(_CONTENT).replace(b"SELECT", b"\\ud800"),
    "nested so deeply that it can't be read": _deep(5000),
    "nested so deeply that it can't be shown": _deep(300),
    "a beginning before time": _with(started_at=-1),
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_set_aside(tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Those around it are used; the log has one line, with the count, and no traceback."""
    path = tmp_path / "journal"
    path.write_bytes(GOOD + line + b"\n" + ended_line(settled("next"), 103.0))
    for _ in range(2):
        assert names(again(path)) == ["good", "next"]
    assert (tmp_path / "journal.bad").read_bytes() == line + b"\n"
    (said,) = caplog.records
    assert said.getMessage() == f"1 bad lines of {path} were set aside into {path}.bad"
    assert said.exc_info is None
    assert path.read_bytes() == GOOD + ended_line(settled("next"), 103.0)


def test_a_workflow_ends_once(tmp_path: Path) -> None:
    """A second end of the same workflow is bad, and so is a beginning after that; an id may come again."""
    path = tmp_path / "journal"
    twice = accepted_line(record("good"), 101.0) + GOOD
    later = ended_line(settled("good", started_at=200.0), 203.0)
    path.write_bytes(GOOD + twice + later)
    assert [workflow.started_at for workflow in again(path)] == [100.0, 200.0]
    assert (tmp_path / "journal.bad").read_bytes() == twice


def test_a_line_longer_than_any_is_set_aside_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is longer than the memory is large, and one without an end; the file of bad ones is
    bounded."""
    monkeypatch.setattr(journal_file, "MAX_LINE_BYTES", 2000)
    monkeypatch.setattr(restoration, "MOST_BAD_BYTES", 5000)
    path = tmp_path / "journal"
    after = ended_line(settled("next"), 1.0)
    path.write_bytes(b"x" * 2000 + b"\n" + GOOD + b"y" * 7001 + b"\n" + after + b"z" * 4000)
    assert names(again(path)) == ["good", "next"]
    assert (tmp_path / "journal.bad").read_bytes() == b"x" * 2000 + b"\n" + b"y" * 2999
    assert path.read_bytes() == GOOD + after


def test_only_the_end_of_a_huge_file_is_read(tmp_path: Path) -> None:
    """Twice what the journal may hold, 256 MiB at least: here are 10^12 bytes, then a workflow."""
    path = tmp_path / "journal"
    with path.open("wb") as file:
        file.truncate(10**12)
        file.seek(10**12)
        file.write(b"\n" + GOOD)
    assert names(again(path, max_bytes=100_000)) == ["good"]
    assert path.read_bytes() == GOOD


def test_workflows_are_found_where_they_moved(tmp_path: Path) -> None:
    """Setting lines aside moves those behind them, in both files."""
    path = tmp_path / "journal"
    lines = [ended_line(settled(f"w{number}"), 103.0) for number in range(6)]
    (tmp_path / "journal.1").write_bytes(b"bad\n" + lines[0] + b"bad\nworse\n" + lines[1] + b"bad")
    path.write_bytes(lines[2] + b"bad\n" + lines[3] + b"bad\n" + lines[4])
    journal, _ = open_journal(path)
    end(journal, settled("w5"))
    assert [journal.find(f"w{number}") for number in range(6)] == lines
    journal.close()
    assert names(again(path)) == [f"w{number}" for number in range(6)]


def test_bad_lines_stay_where_they_are_on_a_full_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They cost nothing but the room; a line that is cut off is not continued by the next one."""
    path = tmp_path / "journal"
    path.write_bytes(b"bad\n" + GOOD + b'{"cut off')
    with full_disk(10):
        journal, restored = open_journal(path)
    assert names(restored) == ["good"]
    assert "2 bad lines stay in" in caplog.text
    end(journal, settled("next"))
    assert journal.find("next") == ended_line(settled("next"), 103.0)
    journal.close()
    assert names(again(path)) == ["good", "next"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_CRAFTED = st.builds(
    lambda inside, changes, spec: _with(**changes, spec=_SPEC | spec) if inside else _with(**changes),
    st.booleans(),
    st.dictionaries(st.sampled_from([key for key in _CONTENT if key != "spec"]), _JSON, max_size=3),
    st.dictionaries(st.sampled_from([*_SPEC]), _JSON, max_size=2),
)
_LINES = st.lists(st.binary() | _CRAFTED | st.sampled_from([GOOD, *BAD.values()]), max_size=6)
_WHOLE = st.integers(0, 8)


def _started(content: bytes, older: bytes | None = None) -> tuple[list[dict[str, Any]], bool]:
    """Return what a controller would show that starts with these files, and whether any was set aside."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_bytes(content)
        if older is not None:
            (Path(folder) / "journal.1").write_bytes(older)
        journal, restored = open_journal(path)
        shown = [workflow.as_dict() for workflow in restored]
        for workflow in restored:
            line = journal.find(workflow.spec.workflow_id)
            assert line is not None
            orjson.dumps(read_line(line).as_dict())
            orjson.dumps(workflow.summary())
        end(journal, settled("one more", started_at=129.0))
        journal.close()
        assert names(again(path))[-1] == "one more"
        return shown, (Path(folder) / "journal.bad").exists()


@given(st.binary(max_size=300) | _LINES.map(b"\n".join), st.none() | _LINES.map(b"\n".join))
def test_any_bytes_are_a_journal(content: bytes, older: bytes | None) -> None:
    """A controller starts with them, shows what it takes from them, and goes on writing."""
    _started(content, older)


@given(_WHOLE, st.integers(1, len(GOOD) - 1), _LINES.map(b"\n".join))
def test_what_was_written_whole_before_a_cut_is_read(count: int, cut: int, rubbish: bytes) -> None:
    """Wherever the last line ends, and whatever lies between."""
    written = [settled(f"w{number}") for number in range(count)]
    lines = [ended_line(workflow, 103.0) for workflow in written]
    shown, set_aside = _started(b"".join(lines) + GOOD[:cut])
    assert shown == [workflow.as_dict() for workflow in written]
    assert set_aside
    mixed, _ = _started((b"\n" + rubbish + b"\n").join(lines))
    assert [workflow for workflow in mixed if workflow in shown] == shown


def test_a_decision_is_shown_as_it_was(tmp_path: Path) -> None:
    """The types of what is read are those of what was written."""
    (tmp_path / "journal").write_bytes(GOOD)
    (workflow,) = again(tmp_path / "journal")
    (call, _) = workflow.entries
    assert getattr(call, "decision", None) == DECISION


def test_a_decision_with_infinite_numbers_is_shown_as_it_was(tmp_path: Path) -> None:
    """JSON has no infinity: a score of one made the line a bad one."""
    workflow = settled("good")
    (call, _) = workflow.entries
    assert isinstance(call, CallEntry)
    call.decision = replace(DECISION, scores={"r0": math.inf, "r1": 0.1}, slack_seconds=math.inf)
    (tmp_path / "journal").write_bytes(ended_line(workflow, 103.0))
    (read,) = again(tmp_path / "journal")
    assert getattr(read.entries[0], "decision", None) == call.decision
