"""The journal: which workflows were accepted and how they ended, kept beyond the life of the controller.

A file of JSON lines, each with ``at`` (Unix seconds), ``kind`` and ``workflow_id``.  ``accepted`` also has
``spec`` and ``started_at``; ``ended`` has these and what a user sees of the outcome.  Lines of other kinds,
and torn ones, are passed over.  A call outside every workflow is not recorded: nobody knows its id.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from engine.controller.timeline import BARE_CALL, CallEntry, Entry, SqlEntry, WorkflowRecord
from sched.decisions import DecisionRecord
from sched.errors import ConfigError, Failure
from sched.request import State, WorkflowSpec
from sched.workflow import PlanStep

logger = logging.getLogger(__name__)

ACCEPTED = "accepted"
ENDED = "ended"
CONTROLLER_LOST = "controller_lost"

_MAX_ANSWER_BYTES = 256 * 1024
_LOST = Failure(CONTROLLER_LOST, "the server's controller was lost while the workflow was running: ask again")


class Journal:
    """Writes to ``path``, and moves it to ``path``.1 when it has ``max_bytes``, over what is there.

    An answer of more than 256 KiB is recorded without its result.  If the disk fails, the journal ends and
    the server goes on.

    Raises:
        ConfigError: the file can't be opened, or another server writes to it.
    """

    def __init__(
        self, path: Path, max_bytes: int = 16 * 1024 * 1024, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._max_bytes = max_bytes
        self._now = wall_clock
        self._open: dict[str, bytes] = {}
        try:
            self._file: BinaryIO | None = _open_alone(path)
        except BlockingIOError as error:
            raise ConfigError(f"--journal {path} is another server's: name another file") from error
        except OSError as error:
            raise ConfigError(f"--journal {path}: {error.strerror}; name a file to write to") from error

    def restore(self) -> list[WorkflowRecord]:
        """Return the workflows of earlier controllers, in the order of their ends.

        One without an end was lost with its controller: it failed, and that is recorded now.
        """
        open_records: dict[str, WorkflowRecord] = {}
        ended: list[WorkflowRecord] = []
        for line in [*_lines(self._older), *_lines(self._path)]:
            record = _record_of(line)
            if record is None:
                continue
            open_records.pop(record.spec.workflow_id, None)
            if record.seconds is None:
                open_records[record.spec.workflow_id] = record
            else:
                ended.append(record)
        for record in open_records.values():
            seconds = max(0.0, self._now() - record.started_at)
            record.settle(State.FAILED, seconds, deadline_met=False, failure=_LOST)
            self.ended(record)
        return [*ended, *open_records.values()]

    def accepted(self, record: WorkflowRecord) -> None:
        """Record a workflow that begins, or one whose deadline was changed."""
        if record.spec.kind != BARE_CALL:
            line = self._line(ACCEPTED, record)
            self._open[record.spec.workflow_id] = line
            self._write(line)

    def ended(self, record: WorkflowRecord) -> None:
        """Record the end of a workflow."""
        if record.spec.kind == BARE_CALL:
            return
        self._open.pop(record.spec.workflow_id, None)
        outcome = {
            "state": record.state,
            "seconds": record.seconds,
            "deadline_met": record.deadline_met,
            "failure": record.failure,
            "timeline": record.entries,
        }
        line = self._line(ENDED, record, outcome | {"result": record.result})
        if len(line) > _MAX_ANSWER_BYTES:
            line = self._line(ENDED, record, outcome)
        self._write(line)

    def close(self) -> None:
        """Close the file.  Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _line(self, kind: str, record: WorkflowRecord, more: Mapping[str, Any] | None = None) -> bytes:
        line = {
            "at": self._now(),
            "kind": kind,
            "workflow_id": record.spec.workflow_id,
            "spec": record.spec,
            "started_at": record.started_at,
        }
        return orjson.dumps(line | dict(more or {}), default=str) + b"\n"

    def _write(self, line: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line)  # unbuffered: it is the kernel's when this process dies
            if self._file.tell() > self._max_bytes:
                self._turn_over(self._file)
        except OSError:
            logger.exception("the journal %s ends here", self._path)
            self.close()

    def _turn_over(self, full: BinaryIO) -> None:
        os.replace(self._path, self._older)
        self._file = _open_alone(self._path)
        full.close()
        for line in self._open.values():
            self._file.write(line)


def _open_alone(path: Path) -> BinaryIO:
    """Open ``path`` to append, for this process alone; ``OSError`` if that can't be."""
    file = path.open("a+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if size := file.seek(0, os.SEEK_END):
            file.seek(size - 1)
            if file.read(1) != b"\n":  # torn by a crash
                file.write(b"\n")
    except OSError:
        file.close()
        raise
    return file


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.is_file() else []


def _record_of(line: bytes) -> WorkflowRecord | None:
    try:
        content = orjson.loads(line)
        if content["kind"] not in (ACCEPTED, ENDED):
            return None
        spec = content["spec"] | {"plan": tuple(PlanStep(**step) for step in content["spec"]["plan"])}
        record = WorkflowRecord(WorkflowSpec(**spec), arrival=0.0, started_at=content["started_at"])
        if content["kind"] == ENDED:
            failure = content["failure"] and Failure(**content["failure"])
            record.entries = [_entry_of(entry) for entry in content["timeline"]]
            record.result = content.get("result")
            record.settle(State(content["state"]), content["seconds"], content["deadline_met"], failure)
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("passed over a line of the journal: %r", error)
        return None
    return record


def _entry_of(content: dict[str, Any]) -> Entry:
    if content["kind"] == "sql":
        return SqlEntry(**content)
    decision = content["decision"] and DecisionRecord(**content["decision"])
    return CallEntry(**content | {"decision": decision})
