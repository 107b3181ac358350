"""What happened in a workflow, step by step: kept for the API, and followed live by streams."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field
from typing import Any

from sched.decisions import DecisionRecord
from sched.errors import Failure
from sched.request import TERMINAL, State, WorkflowSpec

BARE_CALL = "call"
"""The kind of a workflow that is one call, of a client that named no workflow."""
EXTERNAL = "external"
"""The kind of a workflow that an agent outside runs."""
RUN_OUTSIDE = frozenset({BARE_CALL, EXTERNAL})
MOST_STEPS = 512
"""Steps of a workflow that are kept one by one; of a longer one the oldest that have ended are summed up."""
MOST_STAGES = 64
"""Stages that are summed up by name; an agent may name any number of them."""
OTHER_STAGES = "other"
CANCELLED_STATEMENT = "the statement was cancelled"


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


@dataclass(slots=True, kw_only=True)
class EarlierSteps:
    """The sum of the oldest steps of one ``kind`` and ``stage``: how many, and how many didn't finish.

    Tokens are those of calls, ``total_seconds`` the sum of the steps' own.
    """

    kind: str
    stage: str
    steps: int = 0
    unfinished: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    total_seconds: float = 0.0

    def add(self, entry: Entry) -> None:
        """Count a step that has ended."""
        self.steps += 1
        self.unfinished += entry.state != State.FINISHED
        self.total_seconds += entry.total_seconds or 0.0
        if isinstance(entry, CallEntry):
            self.prompt_tokens += entry.prompt_tokens
            self.cached_tokens += entry.cached_tokens or 0
            self.output_tokens += entry.output_tokens or 0


@dataclass(slots=True, eq=False, weakref_slot=True)
class WorkflowRecord:
    """A workflow as a user sees it.  ``started_at`` is wall time (Unix seconds), the rest durations.

    With ``keeps_outputs`` its calls' entries have what the model wrote.  ``entries`` are the latest steps, by
    ``index``, ``earlier`` the sums of those before them that have ended; ``calls`` counts all.
    ``result_omitted``: the result was too large to be kept.
    """

    spec: WorkflowSpec
    arrival: float
    started_at: float = field(default_factory=time.time)
    state: State = State.ACCEPTED
    seconds: float | None = None
    deadline_met: bool | None = None
    failure: Failure | None = None
    result: dict[str, Any] | None = None
    result_omitted: bool = False
    entries: list[Entry] = field(default_factory=list)
    earlier: list[EarlierSteps] = field(default_factory=list)
    calls: int = 0
    keeps_outputs: bool = False
    _steps: int = 0
    _sum_up_at: int = MOST_STEPS * 5 // 4
    _followers: list[asyncio.Queue[Entry | None]] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Append an entry and tell the followers."""
        entry.index = self._steps
        self._steps += 1
        self.calls += isinstance(entry, CallEntry)
        self.entries.append(entry)
        if len(self.entries) > self._sum_up_at:
            self._sum_up()
        self.changed(entry)

    def entry(self, index: int) -> Entry | None:
        """Return the entry at a place in the timeline; ``None`` if it has been summed up."""
        place = bisect_left(self.entries, index, key=lambda entry: entry.index)
        found = self.entries[place] if place < len(self.entries) else None
        return found if found is not None and found.index == index else None

    def changed(self, entry: Entry) -> None:
        """Tell the followers that ``entry`` changed."""
        for queue in self._followers:
            queue.put_nowait(entry)

    def settle(self, state: State, seconds: float, deadline_met: bool, failure: Failure | None) -> None:
        """Write the outcome and end the followers' streams.

        A statement that still runs is about to be cancelled, and shown as that.
        """
        self.state = state
        self.seconds = seconds
        self.deadline_met = deadline_met
        self.failure = failure
        for entry in self.entries:
            if isinstance(entry, SqlEntry) and entry.total_seconds is None:
                entry.state, entry.error = State.CANCELLED, CANCELLED_STATEMENT
                entry.total_seconds = seconds - entry.ready_at
        for queue in self._followers:
            queue.put_nowait(None)

    def _sum_up(self) -> None:
        """Sum up the oldest steps that have ended, so that ``MOST_STEPS`` stay.

        The next time comes when the list has grown by a quarter: the cost of a step doesn't grow with them.
        """
        spare, kept = len(self.entries) - MOST_STEPS, []
        for entry in self.entries:
            if spare > 0 and entry.state in TERMINAL:
                spare -= 1
                self._sum_of(entry.kind, entry.stage).add(entry)
            else:
                kept.append(entry)
        self.entries = kept
        self._sum_up_at = len(kept) * 5 // 4

    def _sum_of(self, kind: str, stage: str) -> EarlierSteps:
        known = {(earlier.kind, earlier.stage): earlier for earlier in self.earlier}
        if (kind, stage) not in known and len(known) >= MOST_STAGES:
            stage = OTHER_STAGES
        if (kind, stage) not in known:
            known[kind, stage] = EarlierSteps(kind=kind, stage=stage)
            self.earlier.append(known[kind, stage])
        return known[kind, stage]

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
            "calls": self.calls,
            "error": None if self.failure is None else asdict(self.failure),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the workflow with its plan, result and timeline."""
        return self.summary() | {
            "plan": {step.stage: step.visits for step in self.spec.plan},
            "result": self.result,
            "result_omitted": self.result_omitted,
            "earlier": [asdict(earlier) for earlier in self.earlier],
            "timeline": [asdict(entry) for entry in self.entries],
        }
