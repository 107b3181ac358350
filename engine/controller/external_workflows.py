"""Workflows run by agents outside: calls that come one by one and name the workflow they belong to."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4
from weakref import WeakKeyDictionary

from engine.controller.calls import Place
from engine.controller.controller import Controller
from engine.controller.timeline import BARE_CALL, EXTERNAL, WorkflowRecord
from sched.errors import ConflictError, Failure, InvalidRequestError
from sched.request import WorkflowSpec

_MOST_FILLING = 1024
MOST_BESIDE = 64
"""Calls that a session makes side by side in one round; more are another round."""
MOST_IDLE = 2048
"""Sessions without open calls that are kept open; of more the one that has been silent longest ends."""
SILENCE_SECONDS = 60.0
"""After so much silence a session's workflow has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTag:
    """What a client says of a call's workflow.  ``siblings`` is the size of the call's fan-out; ``last``
    ends the workflow with this call.  ``workflow_id`` is ``None`` for a bare call.  ``session``: the id is a
    session's, which may go on after the deadline; a call that comes then begins a new workflow.
    ``stage_said``: the client named the stage.  ``priority`` as in ``sched/order.py``."""

    workflow_id: str | None = None
    stage: str = "generate"
    slo_seconds: float | None = None
    siblings: int = 1
    database: str | None = None
    tenant: str = "default"
    last: bool = False
    session: bool = False
    stage_said: bool = False
    priority: int = 0


@dataclass(slots=True)
class _Round:
    """Calls that were found to run side by side: a join that grows until none is running."""

    join_id: str
    running: int = 0
    branches: int = 0


@dataclass(slots=True)
class _Progress:
    """Fan-outs and open calls of one external workflow.

    Siblings of a stage fill a join in the order in which they come.  Of more than ``_MOST_FILLING`` joins
    that lack some, the one that was joined longest ago takes no more.
    """

    numbers: itertools.count[int] = field(default_factory=itertools.count)
    filling: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    round: _Round | None = None
    open_calls: int = 0
    closing: bool = False

    def join(self, stage: str, siblings: int) -> tuple[str, int, int]:
        """Return ``(join id, size, branch)`` of the next sibling of ``stage``."""
        join_id, size, branch = self.filling.pop(stage, ("", 0, 0))
        if size != siblings:
            join_id, size, branch = f"{stage}-{next(self.numbers)}", siblings, 0
        if branch + 1 < size:
            self.filling[stage] = (join_id, size, branch + 1)
            if len(self.filling) > _MOST_FILLING:
                del self.filling[next(iter(self.filling))]
        return join_id, size, branch

    def beside(self) -> tuple[str, int, int]:
        """Return what :meth:`join` does for a call that says nothing of siblings: those running are some."""
        if self.round is None or self.round.branches >= MOST_BESIDE:
            self.round = _Round(f"beside-{next(self.numbers)}")
        self.round.running += 1
        self.round.branches += 1
        return self.round.join_id, MOST_BESIDE, self.round.branches - 1

    def left(self, place: Place) -> None:
        """Note the end of a call."""
        self.open_calls -= 1
        if self.round is not None and self.round.join_id == place.join_id:
            self.round.running -= 1
            if not self.round.running:
                self.round = None


class ExternalWorkflows:
    """Opens an external workflow at its first call and ends it after its last one.

    Nobody says which call of a session is its last: its workflow ends when it has been silent, and of more
    than ``most_idle`` silent ones the one that has been longest.
    """

    def __init__(
        self, controller: Controller, default_slo_seconds: float, most_idle: int = MOST_IDLE
    ) -> None:
        self._controller = controller
        self._default_slo = default_slo_seconds
        self._most_idle = most_idle
        self._idle: OrderedDict[str, None] = OrderedDict()
        # Weak: progress lives as long as the record, however the workflow ends.
        self._progress: WeakKeyDictionary[WorkflowRecord, _Progress] = WeakKeyDictionary()

    def enter(self, tag: WorkflowTag, calls: int = 1) -> list[Place]:
        """Return the places of ``calls`` new calls, opening their workflow if they are its first.

        A deadline that differs from the workflow's replaces it.
        They are siblings; with ``tag.siblings`` over 1, that many such groups share the fan-out.

        Raises:
            InvalidRequestError: the workflow is open for another database.
            ConflictError: the workflow is not an external one.
            UnavailableError: the server is draining.
        """
        workflow_id = tag.workflow_id or f"call-{uuid4().hex[:16]}"
        records = self._controller.records
        record = records.get(workflow_id) if records.is_open(workflow_id) else None
        if record is not None and tag.session and record not in self._progress:
            # A session that happens to have the name of a workflow run here.
            return self.enter(replace(tag, workflow_id=None, session=False), calls)
        if record is not None and tag.session and self._is_over(record):
            self._controller.end_workflow(workflow_id, silent=True)
            record = None
        self._idle.pop(workflow_id, None)
        if record is None:
            record = self._open(workflow_id, tag)
        elif record not in self._progress:
            raise ConflictError(f"workflow {workflow_id!r} is run by this server", field="workflow.id")
        elif tag.database not in (None, record.spec.database):
            raise InvalidRequestError(
                f"workflow {workflow_id!r} asks database {record.spec.database!r}, not {tag.database!r}",
                field="workflow.database",
            )
        elif tag.slo_seconds not in (None, record.spec.slo_seconds):
            self._controller.change_deadline(workflow_id, tag.slo_seconds)
        progress = self._progress[record]
        progress.open_calls += calls
        progress.closing |= tag.last or tag.workflow_id is None
        siblings = tag.siblings * calls
        if siblings == 1 and tag.session:
            return [Place(record, *progress.beside(), ends_branch=True)]
        if siblings == 1:
            return [Place(record)]
        joined = (progress.join(tag.stage, siblings) for _ in range(calls))
        return [Place(record, join_id, size, branch, ends_branch=True) for join_id, size, branch in joined]

    def leave(self, places: Sequence[Place], failure: Failure | None = None) -> None:
        """Note that calls of one ``enter`` ended (``failure``: why they did not finish).

        The last call ends its workflow.
        """
        record = places[0].record
        progress = self._progress[record]
        for place in places:
            progress.left(place)
        if progress.open_calls or record.seconds is not None:
            return
        workflow_id = record.spec.workflow_id
        if not progress.closing:
            if record.spec.silence_seconds is not None:
                self._falls_silent(workflow_id)
            return
        if failure is not None and failure.code == "cancelled":
            self._controller.cancel_workflow(workflow_id, failure.message)
        else:
            self._controller.end_workflow(workflow_id, failure)

    def is_open(self, workflow_id: str) -> bool:
        """Whether a workflow has begun and not ended."""
        return self._controller.records.is_open(workflow_id)

    def _falls_silent(self, workflow_id: str) -> None:
        """Count a session that has no open call; end another if there are too many."""
        self._idle[workflow_id] = None
        if len(self._idle) > self._most_idle:
            self._controller.end_workflow(self._idle.popitem(last=False)[0], silent=True)

    def _is_over(self, record: WorkflowRecord) -> bool:
        progress = self._progress.get(record)
        seconds = self._controller.clock() - record.arrival
        return progress is not None and not progress.open_calls and seconds > record.spec.slo_seconds

    def _open(self, workflow_id: str, tag: WorkflowTag) -> WorkflowRecord:
        record = self._controller.open_workflow(
            WorkflowSpec(
                workflow_id=workflow_id,
                slo_seconds=tag.slo_seconds or self._default_slo,
                kind=EXTERNAL if tag.workflow_id else BARE_CALL,
                tenant=tag.tenant,
                database=tag.database,
                firm=tag.slo_seconds is not None,
                silence_seconds=SILENCE_SECONDS if tag.session else None,
            )
        )
        self._progress[record] = _Progress()
        return record
