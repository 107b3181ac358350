"""The controller's face to HTTP and workflows: open, run, cancel, drain.  It decides nothing."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from engine.controller.calls import CallRequest, CallResult, PendingCall
from engine.controller.core_driver import CoreDriver
from engine.controller.fleet import Fleet
from engine.controller.prompt_encoder import EncodedPrompt
from engine.controller.timeline import CallEntry, WorkflowRecord
from engine.controller.worker_table import WorkerTable
from engine.controller.workflow_records import WorkflowRecords
from engine.wire import messages as msg
from sched import events as ev
from sched.errors import (
    CancelledCallError,
    ConflictError,
    Failure,
    InvalidRequestError,
    UnavailableError,
    error_for,
)
from sched.predict.stage_profile import StageProfile
from sched.request import WorkflowSpec
from sched.workflow import PromptSeconds

_CANCELLED_AT_ONCE = 16


class Controller:
    """Workflows and calls over an :class:`CoreDriver`.  Use from one event loop."""

    def __init__(self, driver: CoreDriver) -> None:
        self.clock = driver.clock
        self.draining = False
        self.fleet = Fleet(driver)
        self._driver = driver
        self._call_ids = itertools.count(1)
        self._client_rids: dict[str, int] = {}

    @property
    def workers(self) -> WorkerTable:
        """The runtimes of this server."""
        return self._driver.workers

    @property
    def profile(self) -> StageProfile:
        """What is known of stages."""
        return self._driver.dispatcher.profile

    @property
    def records(self) -> WorkflowRecords:
        """Workflows, open and lately closed."""
        return self._driver.records

    async def drain(self, grace_seconds: float) -> None:
        """Refuse new work and wait for what runs, at most ``grace_seconds``; the rest is cancelled."""
        self.draining = True
        deadline = self.clock() + grace_seconds
        while self._driver.pending and self.clock() < deadline:  # noqa: ASYNC110 (a short, rare wait)
            await asyncio.sleep(0.05)
        for workflow_id in self.records.open_ids():
            record = self.records.get(workflow_id)
            if record is not None and record.spec.silence_seconds is not None:
                self.end_workflow(workflow_id, silent=True)
            self.cancel_workflow(workflow_id, "the server is shutting down")

    @property
    def calls_in_flight(self) -> int:
        """Calls accepted and not settled."""
        return len(self._driver.pending)

    # --- workflows ------------------------------------------------------------------------------

    def open_workflow(self, spec: WorkflowSpec) -> WorkflowRecord:
        """Begin a workflow.

        Raises:
            UnavailableError: the server is draining.
            ConflictError: the id is in use.
            OverloadedError: the admission policy refuses it.
        """
        if self.draining:
            raise UnavailableError("the server is shutting down", retry_after=5.0)
        if self.records.is_open(spec.workflow_id):
            raise ConflictError(f"workflow {spec.workflow_id!r} is already open", field="workflow_id")
        record = WorkflowRecord(spec, self.clock())
        self.records.open(record)
        self._driver.handle(ev.WorkflowArrived(spec))
        if record.failure is not None:
            raise error_for(record.failure)
        self.records.note(record)
        return record

    def advised_candidates(self, workflow_id: str, wanted: int) -> int:
        """Return how many of ``wanted`` alternative answers a workflow had better write."""
        return self._driver.dispatcher.advised_candidates(workflow_id, wanted, self.clock())

    def prompt_seconds(self, spec: WorkflowSpec, stage: str, prompt: EncodedPrompt) -> PromptSeconds:
        """Return what a prompt of a workflow's stage costs, as caches and runtimes are believed to be."""
        context = self.workers.context_length
        if context is None or prompt.tokens >= context:
            return PromptSeconds(math.inf, math.inf)
        output = self.profile.estimate(spec.kind, spec.database, stage).output_tokens
        tokens = prompt.tokens, prompt.shared_tokens, output
        return self._driver.dispatcher.prompt_seconds(prompt.blocks, *tokens)

    def end_workflow(self, workflow_id: str, failure: Failure | None = None, *, silent: bool = False) -> None:
        """End a workflow; calls that still run are cancelled.  ``silent``: it ended with its last event."""
        self._driver.handle(ev.WorkflowEnded(workflow_id, failure, silent))

    def cancel_workflow(self, workflow_id: str, reason: str) -> None:
        """Give a workflow up; its calls are aborted on their runtimes."""
        self._driver.handle(ev.WorkflowCancelled(workflow_id, reason))

    def change_deadline(self, workflow_id: str, slo_seconds: float) -> None:
        """Give an open workflow another deadline, ``slo_seconds`` after its arrival."""
        self._driver.handle(ev.DeadlineChanged(workflow_id, slo_seconds))
        record = self.records.get(workflow_id)
        assert record is not None
        record.spec = replace(record.spec, slo_seconds=slo_seconds, firm=True)
        self.records.note(record)

    def statement_ended(self, workflow_id: str, stage: str, seconds: float) -> None:
        """Note SQL that a workflow's stage asked for."""
        self._driver.handle(ev.StatementEnded(workflow_id, stage, seconds))

    def open_join(self, workflow_id: str, join_id: str, size: int) -> None:
        """Begin a fan-out of ``size`` branches (nothing happens if the workflow has ended)."""
        if self.records.is_open(workflow_id):
            self._driver.handle(ev.JoinOpened(workflow_id, join_id, size))

    def end_branch(self, workflow_id: str, join_id: str, branch: int) -> None:
        """Note that a branch of a fan-out ended."""
        self._driver.handle(ev.BranchEnded(workflow_id, join_id, branch))

    # --- calls ----------------------------------------------------------------------------------

    async def generate(self, request: CallRequest, rid: str | None = None) -> CallResult:
        """Run a call to its end; cancelling the caller aborts it on the runtime.

        ``rid`` is the client's name for the call, by which :meth:`cancel_call` finds it.

        Raises:
            ConflictError: ``rid`` is in use.
            SluiceError: rejected, failed, timed out or cancelled.
        """
        async with self._call(request, rid) as call:
            # Bounded by the core's time limit, which settles the call.
            return await asyncio.shield(call.done)

    async def stream(
        self, request: CallRequest, rid: str | None = None
    ) -> AsyncGenerator[tuple[msg.Chunk, CallEntry] | CallResult, None]:
        """Yield the output as it comes, with the call's line in the timeline, and, last, the result.

        Closing the iterator aborts the call.  ``rid`` as in :meth:`generate`.

        Raises:
            SluiceError: as :meth:`generate`.
        """
        async with self._call(request, rid) as call:
            while (chunk := await call.chunks.get()) is not None:
                yield chunk, call.entry
            yield await call.done

    def cancel_call(self, rid: str, reason: str) -> bool:
        """Cancel the call that its client named ``rid``; return whether there is one."""
        call_id = self._client_rids.get(rid)
        if call_id is None:
            return False
        self._driver.handle(ev.CallCancelled(call_id, reason))
        return True

    async def cancel_calls(self, reason: str, of: WorkflowRecord | None = None) -> int:
        """Cancel the calls in flight, ``of`` one workflow or all, a few at a time; return how many."""
        calls = [i for i, call in self._driver.pending.items() if of is None or call.record is of]
        for number, call_id in enumerate(calls, 1):
            self._driver.handle(ev.CallCancelled(call_id, reason))
            if number % _CANCELLED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return len(calls)

    def check_rid(self, rid: str | None) -> None:
        """Refuse a client's name for a call that another call in flight has.

        Raises:
            ConflictError: ``rid`` is in use.
        """
        if rid in self._client_rids:
            raise ConflictError(f"a call with rid {rid!r} is in flight", field="rid")

    def check_length(self, prompt_tokens: int, max_new_tokens: int, field: str = "text") -> None:
        """Refuse what no runtime could hold, before it is queued; ``field`` is where the prompt came from.

        Raises:
            UnavailableError: no runtime is up.
            InvalidRequestError: prompt or prompt and output are longer than the context.
        """
        context = self.workers.context_length
        if context is None:
            raise UnavailableError("no runtime is ready", retry_after=2.0)
        if prompt_tokens >= context:
            raise InvalidRequestError(
                f"the prompt has {prompt_tokens} tokens, the context holds {context}: shorten it",
                field=field,
            )
        if prompt_tokens + max_new_tokens > context:
            raise InvalidRequestError(
                f"{prompt_tokens} prompt tokens and max_new_tokens {max_new_tokens} exceed the context "
                f"of {context} tokens: ask for at most {context - prompt_tokens}",
                field="sampling_params.max_new_tokens",
            )

    @asynccontextmanager
    async def _call(self, request: CallRequest, rid: str | None) -> AsyncIterator[PendingCall]:
        self.check_rid(rid)
        call = self._accept(request)
        if rid is not None:
            self._client_rids[rid] = call.call_id
        try:
            yield call
        finally:
            if rid is not None:
                del self._client_rids[rid]
            if call.call_id in self._driver.pending:
                self._driver.handle(ev.CallCancelled(call.call_id, request.given_up))
            if call.done.done() and not call.done.cancelled():
                call.done.exception()  # seen: asyncio must not report it as forgotten

    def _accept(self, request: CallRequest) -> PendingCall:
        self.check_length(request.prompt.tokens, request.max_new_tokens)
        record, workflow_id = request.place.record, request.place.workflow_id
        if not self.records.is_open(workflow_id) or self.records.get(workflow_id) is not record:
            raise CancelledCallError(f"workflow {workflow_id} has ended")
        now = self.clock()
        entry = CallEntry(
            stage=request.stage,
            branch=request.place.shown_branch,
            ready_at=now - record.arrival,
            prompt_tokens=request.prompt.tokens,
        )
        done = asyncio.get_running_loop().create_future()
        call = PendingCall(next(self._call_ids), request, entry, done, now)
        self._driver.accept(call)
        return call
