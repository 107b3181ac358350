"""A workflow as one line of JSON: what the journal writes, and what is kept of a workflow that has ended.

Each line has ``kind``, ``version``, ``at`` (Unix seconds), ``workflow_id``, ``spec`` and ``started_at``.
``accepted`` has no more; ``ended`` has what a user sees of the outcome.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from engine.controller.timeline import CallEntry, EarlierSteps, Entry, SqlEntry, WorkflowRecord
from sched.errors import Failure
from sched.request import TERMINAL, State, WorkflowSpec

VERSION = 1
MAX_LINE_BYTES = 8 * 1024 * 1024
"""A workflow with more is kept without its result, or if that isn't enough without its timeline."""

_MAX_ID = 256
_ENTRIES: Mapping[str, type[CallEntry | SqlEntry]] = {"call": CallEntry, "sql": SqlEntry}


class _Accepted(msgspec.Struct, tag_field="kind", tag="accepted"):
    spec: WorkflowSpec
    started_at: Annotated[float, Meta(ge=0)]
    version: Literal[1] = 1  # lines of 0.2.0 have none


class _Ended(msgspec.Struct, tag_field="kind", tag="ended"):
    spec: WorkflowSpec
    started_at: Annotated[float, Meta(ge=0)]
    state: State
    seconds: Annotated[float, Meta(ge=0)]
    deadline_met: bool
    failure: Failure | None
    timeline: list[dict[str, Any]]
    earlier: list[EarlierSteps] = []
    calls: int | None = None
    result: dict[str, Any] | None = None
    result_omitted: bool = False
    version: Literal[1] = 1


def accepted_line(record: WorkflowRecord, at: float) -> bytes:
    """Return the line of a workflow that begins, or whose deadline was changed, at Unix time ``at``."""
    return _line("accepted", record, at, {})


def ended_line(record: WorkflowRecord, at: float) -> bytes:
    """Return the line of a workflow that ended, at Unix time ``at``.

    What is too large (``MAX_LINE_BYTES``), or can't be written as JSON, is left out.
    """
    outcome = {
        "state": record.state,
        "seconds": record.seconds,
        "deadline_met": record.deadline_met,
        "failure": record.failure,
        "calls": record.calls,
        "earlier": record.earlier,
        "timeline": record.entries,
        "result": record.result,
    }
    without_result = {"result": None, "result_omitted": record.result is not None or record.result_omitted}
    smaller: dict[str, Any] = without_result | {"timeline": [], "earlier": []}
    bare = smaller | {"failure": Failure("internal_error", "how it ended can't be written as JSON")}
    changes: Sequence[dict[str, Any]] = ({}, without_result, smaller, bare)
    for change in changes:
        try:
            line = _line("ended", record, at, outcome | change)
        except TypeError:  # nested too deeply, a number beyond 64 bits, half of a surrogate pair
            continue
        if len(line) <= MAX_LINE_BYTES:
            break
    return line


def _line(kind: str, record: WorkflowRecord, at: float, more: Mapping[str, Any]) -> bytes:
    line = {
        "at": at,
        "kind": kind,
        "version": VERSION,
        "workflow_id": record.spec.workflow_id,
        "spec": record.spec,
        "started_at": record.started_at,
    }
    return orjson.dumps(line | dict(more), default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n"


def read_line(line: bytes) -> WorkflowRecord:
    """Return the workflow in a line, settled if it has ended.

    Raises:
        ValueError: not such a line, of another version, or one that couldn't be shown.
    """
    content = orjson.loads(line)
    try:
        orjson.dumps(content)  # refuses deep nesting, as the answer that shows it would
        read = msgspec.convert(content, _Accepted | _Ended)
        record = WorkflowRecord(read.spec, arrival=0.0, started_at=read.started_at)
        if isinstance(read, _Ended):
            record.entries = [_entry(entry) for entry in read.timeline]
            record.earlier = read.earlier
            counted = sum(isinstance(entry, CallEntry) for entry in record.entries)
            record.calls = counted if read.calls is None else read.calls
            record.result, record.result_omitted = read.result, read.result_omitted
            record.settle(read.state, read.seconds, read.deadline_met, read.failure)
    except (msgspec.MsgspecError, TypeError, KeyError) as error:
        raise ValueError(str(error)) from error
    if len(record.spec.workflow_id) > _MAX_ID or (
        record.seconds is not None and record.state not in TERMINAL
    ):
        raise ValueError("no server writes such a workflow")
    return record


def _entry(content: dict[str, Any]) -> Entry:
    """Return the entry; JSON's null stands for a number that wasn't finite in the decision on a call."""
    if isinstance(decision := content.get("decision"), dict):
        content = content | {"decision": _finite_or_not(decision)}
    return msgspec.convert(content, _ENTRIES[content["kind"]])


def _finite_or_not(decision: dict[str, Any]) -> dict[str, Any]:
    scores = decision.get("scores")
    known = decision | ({"scores": _finite_or_not(scores)} if isinstance(scores, dict) else {})
    return {name: math.inf if value is None else value for name, value in known.items()}
