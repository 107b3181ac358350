"""All workflows that are known: open ones, ended ones in memory, and those that only the journal has."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice

import orjson

from engine.controller.journal.journal import Journal
from engine.controller.journal.lines import ended_line, read_line
from engine.controller.kept_workflows import KeptWorkflows
from engine.controller.timeline import WorkflowRecord

KEPT_BYTES = 256 * 1024 * 1024


class WorkflowRecords:
    """Open workflows, and ended ones: the latest in memory (``kept_bytes``), older ones in ``journal``.

    What ``journal`` remembers of earlier controllers is taken up.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, journal: Journal | None = None) -> None:
        self.kept = KeptWorkflows(kept_bytes)
        self._journal = journal
        self._open: dict[str, WorkflowRecord] = {}
        for record, line in journal.restore() if journal else ():
            self._keep(record, line)

    def open(self, record: WorkflowRecord) -> None:
        """Add a workflow that begins."""
        self._open[record.spec.workflow_id] = record

    def note(self, record: WorkflowRecord) -> None:
        """Have the next controller know of a workflow that was admitted, or got another deadline."""
        if self._journal is not None:
            self._journal.accepted(record)

    def close(self, workflow_id: str) -> WorkflowRecord | None:
        """Take a workflow from the open ones; ``None`` if it is not open."""
        return self._open.pop(workflow_id, None)

    def keep(self, record: WorkflowRecord) -> None:
        """Remember a workflow that has been settled; its record is not referred to any more."""
        line = ended_line(record, time.time())
        if self._journal is not None:
            self._journal.ended(record, line)
        self._keep(record, line)

    def get(self, workflow_id: str) -> WorkflowRecord | None:
        """Return a workflow, open or ended; ``None`` if it is unknown or long gone."""
        if record := self._open.get(workflow_id):
            return record
        line = self.kept.line(workflow_id)
        if line is None and self._journal is not None:
            line = self._journal.find(workflow_id)
        if line is not None:
            with suppress(ValueError):  # somebody wrote to the file
                return read_line(line)
        return None

    def has_expired(self, workflow_id: str) -> bool:
        """Whether a workflow that can't be shown any more is remembered to have ended."""
        return self.kept.has_left(workflow_id)

    def is_open(self, workflow_id: str) -> bool:
        """Whether the workflow has begun and not ended."""
        return workflow_id in self._open

    def open_ids(self) -> list[str]:
        """Return the ids of the open workflows."""
        return list(self._open)

    @property
    def journal_trouble(self) -> str | None:
        """Why the journal can't be written at present; ``None`` if it can, or there is none."""
        return None if self._journal is None else self._journal.trouble

    @property
    def open_count(self) -> int:
        """How many workflows are open."""
        return len(self._open)

    def summaries(self, limit: int) -> list[bytes]:
        """Return the JSON of up to ``limit`` workflows' summaries, newest first, open ones before others.

        Those that only the journal has are not among them.
        """
        latest = islice(reversed(self._open.values()), limit)
        running = [orjson.dumps(record.summary()) for record in latest]
        return running + self.kept.summaries(limit - len(running))

    def _keep(self, record: WorkflowRecord, line: bytes) -> None:
        try:
            summary = orjson.dumps(record.summary())
        except TypeError:  # as the line says it
            summary = orjson.dumps(read_line(line).summary())
        self.kept.add(record.spec.workflow_id, line, summary)
