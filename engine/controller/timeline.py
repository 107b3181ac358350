"""What happened in a workflow, step by step: kept for the API, and followed live by streams."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field
from typing import Any

from sched.decisions import DecisionRecord
from sched.errors import Failure
from sched.request import State, WorkflowSpec

BARE_CALL = "call"
"""The kind of a workflow that is one call, of a client that named no workflow."""
EXTERNAL = "external"
"""The kind of a workflow that an agent outside runs."""
RUN_OUTSIDE = frozenset({BARE_CALL, EXTERNAL})


@dataclass(slots=True, kw_only=True)
class CallEntry:
    """One LLM call.  Seconds run from the workflow's arrival, except durations.

    ``index`` is its place in the timeline.
    ``waited_seconds``: from ready until it was sent to the runtime.  ``ttft_seconds``: from ready until
    the first token.  ``rekeys``: how often it got another place after it was sent.  ``decision`` says why
    it went there (``None`` until it was sent).  ``unreadable``: the workflow could make nothing of the
    answer.  ``output`` is what the model wrote, if the workflow keeps it.
    """

    kind: str = "call"
    index: int = 0
    stage: str
    branch: int | None
    ready_at: float
    state: str = State.WAITING
    runtime: str | None = None
    attempts: int = 0
    rekeys: int = 0
    waited_seconds: float | None = None
    ttft_seconds: float | None = None
    total_seconds: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    decision: DecisionRecord | None = None
    unreadable: bool = False
    output: str | None = None


@dataclass(slots=True, kw_only=True)
class SqlEntry:
    """One SQL execution.  ``index`` is its place in the timeline, ``row_count`` ``None`` when it failed."""

    kind: str = "sql"
    index: int = 0
    stage: str
    branch: int | None
    ready_at: float
    statement: str
    state: str = State.RUNNING
    total_seconds: float | None = None
    row_count: int | None = None
    truncated: bool = False
    error: str | None = None


Entry = CallEntry | SqlEntry


@dataclass(slots=True, eq=False, weakref_slot=True)
class WorkflowRecord:
    """A workflow as a user sees it.  ``started_at`` is wall time (Unix seconds), the rest durations.

    With ``keeps_outputs`` its calls' entries have what the model wrote.
    """

    spec: WorkflowSpec
    arrival: float
    started_at: float = field(default_factory=time.time)
    state: State = State.ACCEPTED
    seconds: float | None = None
    deadline_met: bool | None = None
    failure: Failure | None = None
    result: dict[str, Any] | None = None
    entries: list[Entry] = field(default_factory=list)
    keeps_outputs: bool = False
    _followers: list[asyncio.Queue[Entry | None]] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Append an entry and tell the followers."""
        entry.index = len(self.entries)
        self.entries.append(entry)
        self.changed(entry)

    def changed(self, entry: Entry) -> None:
        """Tell the followers that ``entry`` changed."""
        for queue in self._followers:
            queue.put_nowait(entry)

    def settle(self, state: State, seconds: float, deadline_met: bool, failure: Failure | None) -> None:
        """Write the outcome and end the followers' streams."""
        self.state = state
        self.seconds = seconds
        self.deadline_met = deadline_met
        self.failure = failure
        for queue in self._followers:
            queue.put_nowait(None)

    async def follow(self) -> AsyncGenerator[Entry, None]:
        """Yield every entry so far and each one that changes, until the workflow is settled."""
        queue: asyncio.Queue[Entry | None] = asyncio.Queue()
        for entry in self.entries:
            queue.put_nowait(entry)
        if self.seconds is not None:
            queue.put_nowait(None)
        self._followers.append(queue)
        try:
            # Ends with the workflow, whose own time limit bounds this wait.
            while (entry_or_end := await queue.get()) is not None:
                yield entry_or_end
        finally:
            self._followers.remove(queue)

    def summary(self) -> dict[str, Any]:
        """Return the workflow without its timeline."""
        return {
            "workflow_id": self.spec.workflow_id,
            "kind": self.spec.kind,
            "tenant": self.spec.tenant,
            "database": self.spec.database,
            "state": self.state,
            "started_at": self.started_at,
            "slo_seconds": self.spec.slo_seconds,
            "seconds": self.seconds,
            "deadline_met": self.deadline_met,
            "calls": sum(isinstance(entry, CallEntry) for entry in self.entries),
            "error": None if self.failure is None else asdict(self.failure),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the workflow with its plan, result and timeline."""
        return self.summary() | {
            "plan": {step.stage: step.visits for step in self.spec.plan},
            "result": self.result,
            "timeline": [asdict(entry) for entry in self.entries],
        }


class WorkflowRecords:
    """All open workflows and the latest closed ones (``keep`` of them)."""

    def __init__(self, keep: int = 1000) -> None:
        self._keep = keep
        self._open: dict[str, WorkflowRecord] = {}
        self._closed: OrderedDict[str, WorkflowRecord] = OrderedDict()

    def open(self, record: WorkflowRecord) -> None:
        """Add a workflow that begins."""
        self._open[record.spec.workflow_id] = record

    def close(self, workflow_id: str) -> WorkflowRecord | None:
        """Move a workflow to the closed ones; ``None`` if it is not open."""
        record = self._open.pop(workflow_id, None)
        if record is not None:
            self.add_closed(record)
        return record

    def add_closed(self, record: WorkflowRecord) -> None:
        """Add a workflow that has ended, perhaps in the life of another controller."""
        self._closed[record.spec.workflow_id] = record
        self._closed.move_to_end(record.spec.workflow_id)
        if len(self._closed) > self._keep:
            self._closed.popitem(last=False)

    def get(self, workflow_id: str) -> WorkflowRecord | None:
        """Return a workflow, open or closed; ``None`` if it is unknown or long gone."""
        return self._open.get(workflow_id) or self._closed.get(workflow_id)

    def is_open(self, workflow_id: str) -> bool:
        """Whether the workflow has begun and not ended."""
        return workflow_id in self._open

    @property
    def open_count(self) -> int:
        """How many workflows are open."""
        return len(self._open)

    def latest(self, limit: int) -> list[WorkflowRecord]:
        """Return up to ``limit`` workflows, newest first, open ones before closed ones."""
        everything = [*self._closed.values(), *self._open.values()]
        return everything[: -limit - 1 : -1]
