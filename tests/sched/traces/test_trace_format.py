"""Reading and writing traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sched.errors import ConfigError
from sched.traces.trace_format import read_header, read_trace, write_trace
from tests.sched.sim.sim_factories import trace_call, trace_workflow

HEADER = {"format": "sluice-trace-1", "source": "a test"}
CALL: dict[str, Any] = {"id": 0, "stage": "s", "segments": [["template", "t", 10]], "output": 5}
WORKFLOW: dict[str, Any] = {"id": "w", "arrival": 0.0, "calls": [CALL, {**CALL, "id": 1, "after": [0]}]}


def lines(path: Path, *entries: object) -> Path:
    """Write ``entries`` as JSON lines."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def changed(call: int, **fields: Any) -> dict[str, Any]:
    """Return the workflow with fields of one call changed."""
    calls = [dict(c) for c in WORKFLOW["calls"]]
    calls[call].update(fields)
    return {**WORKFLOW, "calls": calls}


def test_a_written_trace_reads_back(tmp_path: Path) -> None:
    """Every field survives, and the header names the source."""
    call = trace_call(0, sql=0.25, join="j", branch=1, max_new_tokens=64)
    workflow = trace_workflow(
        call, arrival=1.5, tenant="t", database="shop", kind="k", slo_seconds=9.0, decided={"j": 1}
    )
    path = tmp_path / "trace.jsonl"
    assert write_trace(path, "made here", [workflow]) == 1
    assert read_trace(path) == [workflow]
    assert read_header(path).source == "made here"


@pytest.mark.parametrize(
    ("workflow", "field", "reason"),
    [
        (changed(0, output=0), "calls[0].output", "greater than or equal to 1"),
        (changed(1, output="many"), "calls[1].output", "valid integer"),
        (changed(1, segments=[]), "calls[1].segments", "at least 1"),
        (changed(0, segments=[["tempalte", "t", 1]]), "calls[0].segments[0]", "template"),
        (changed(0, sql=-1), "calls[0].sql", "greater than or equal to 0"),
        (changed(0, colour="red"), "calls[0].colour", "not permitted"),
        (changed(1, after=[7]), "calls[1].after", "7 is no call listed before"),
        (changed(0, after=[0]), "calls[0].after", "0 is no call listed before"),
        (changed(1, id=0), "calls[1].id", "used twice"),
        (changed(1, max_new_tokens=2), "calls[1].output", "longer than its max_new_tokens"),
        ({**WORKFLOW, "decided": {"j": 1}}, "decided", "no call has the join 'j'"),
        ({**WORKFLOW, "arrival": "soon"}, "arrival", "valid number"),
        ({"id": "w", "arrival": 0.0}, "calls", "required"),
    ],
)
def test_a_mistake_is_told_by_line_and_field(
    tmp_path: Path, workflow: object, field: str, reason: str
) -> None:
    """The error names the file's line, the field and what is wrong with it."""
    path = lines(tmp_path / "t.jsonl", HEADER, WORKFLOW, workflow)
    with pytest.raises(ConfigError, match=r"t\.jsonl line 3") as caught:
        read_trace(path)
    assert field in caught.value.message
    assert reason in caught.value.message


def test_a_workflow_may_not_come_twice(tmp_path: Path) -> None:
    """Ids are unique in a trace."""
    with pytest.raises(ConfigError, match="line 3: id: 'w' is used twice"):
        read_trace(lines(tmp_path / "t.jsonl", HEADER, WORKFLOW, WORKFLOW))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([WORKFLOW], "line 1: format: Field required"),
        ([{"format": "other-2", "source": ""}], "line 1: format: 'other-2' is unknown"),
        ([HEADER], "no workflow in it"),
        (["{"], "line 1: "),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, entries: list[object], message: str) -> None:
    """The header is asked for, and an empty trace is of no use."""
    with pytest.raises(ConfigError, match=message):
        read_trace(lines(tmp_path / "t.jsonl", *entries))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(ConfigError, match=r"none\.jsonl can't be read: No such file"):
        read_trace(tmp_path / "none.jsonl")
