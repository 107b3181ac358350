"""The state machine: events with timestamps in, decisions out.  No clock, no input or output.

The live controller and the simulator drive this same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Decision, Joined
from sched.errors import Failure
from sched.gate import Gate
from sched.lifecycle import Book
from sched.limits import CoreLimits
from sched.placer import Placer
from sched.policy import AdmissionPolicy, OrderingPolicy, PlacementPolicy, SharingPolicy
from sched.predict.forecast import Forecast
from sched.predict.stage_profile import StageProfile
from sched.queues import Queues
from sched.request import TERMINAL, Call, State, Workflow, advance
from sched.runtime import RuntimeState
from sched.shares import Shares
from sched.tenants import Tenant
from sched.workflow import PromptSeconds


class Dispatcher:
    """Admits, budgets, places and orders calls.  Feed it with :meth:`handle`; carry out what it returns."""

    def __init__(
        self,
        placement: PlacementPolicy,
        ordering: OrderingPolicy,
        limits: CoreLimits | None = None,
        profile: StageProfile | None = None,
        admission: AdmissionPolicy | None = None,
        tenants: Sequence[Tenant] = (),
    ) -> None:
        """``tenants`` matter to an ordering that shares; those not named weigh 1."""
        self.limits, self.profile = limits or CoreLimits(), profile or StageProfile()
        self._forecast = Forecast(self.profile)
        self.book = Book(self.profile, self.limits.workflow_ttl_seconds)
        self._gate = Gate(admission, self.book.workflows.values())
        self._shares = Shares(ordering, tenants) if isinstance(ordering, SharingPolicy) else None
        placer = Placer(placement, ordering, self._forecast)
        self._queues = Queues(
            placer,
            out=lambda decision: self._out.append(decision),
            fail=lambda call, failure, now: self._withdraw(call, State.FAILED, now, failure),
            late=self._end_if_late,
        )
        self.runtimes: Mapping[str, RuntimeState] = self._queues.runtimes
        self._sequence, self._out = 0, list[Decision]()
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            ev.RuntimeUp: self._runtime_up,
            ev.RuntimeLost: self._runtime_lost,
            ev.PassesReported: self._queues.passes_reported,
            ev.CacheFlushed: self._queues.cache_reported,
            ev.CacheReported: self._queues.cache_reported,
            ev.WorkflowArrived: self._workflow_arrived,
            ev.WorkflowEnded: self._workflow_ended,
            ev.WorkflowCancelled: self._workflow_cancelled,
            ev.DeadlineChanged: self._deadline_changed,
            ev.JoinOpened: lambda e, now: self.book.open_join(e, now),
            ev.BranchEnded: self._branch_ended,
            ev.StatementEnded: lambda e, now: self._forecast.statement_ended(self.book.workflows, e),
            ev.CallArrived: self._call_arrived,
            ev.CallCancelled: self._call_cancelled,
            ev.FirstTokenReported: self._first_token,
            ev.CallFinished: self._call_finished,
            ev.CallFailed: self._call_failed,
            ev.PlacementChanged: placer.placement_changed,
            ev.Tick: self._tick,
        }

    @property
    def waiting_calls(self) -> int:
        """Calls that were accepted and not sent to a runtime."""
        return self._queues.waiting_calls

    def is_live(self, call_id: int, attempt: int) -> bool:
        """Whether ``attempt`` of the call is on a runtime, so that a report on it counts."""
        return self._current(call_id, attempt) is not None

    def advised_candidates(self, workflow_id: str, wanted: int, now: float) -> int:
        """Return how many of ``wanted`` alternative answers the workflow should write, at least 1."""
        workflows, runtimes = self.book.workflows, self.runtimes.values()
        return self._gate.candidates(workflows.get(workflow_id), wanted, runtimes, now)

    def prompt_seconds(
        self, blocks: Sequence[int], prompt_tokens: int, shared_tokens: int, output_tokens: float
    ) -> PromptSeconds:
        """Return what a prompt costs where it costs least, as caches are believed to be, and with its first
        ``shared_tokens`` cached.  Infinite without a runtime."""
        return self._queues.prompt_seconds(blocks, prompt_tokens, shared_tokens, output_tokens)

    def handle(self, event: ev.Event, now: float) -> list[Decision]:
        """Apply ``event`` at ``now`` (seconds, never going back) and return the decisions, in order.

        Raises:
            KeyError: the event names a workflow that is not open.
            ValueError: a workflow, call or runtime is announced twice.
        """
        self._out = []
        self._handlers[type(event)](event, now)
        self._queues.pump(self.book.calls, now)
        return self._out

    # --- runtimes -------------------------------------------------------------------------------

    def _runtime_up(self, event: ev.RuntimeUp, now: float) -> None:
        if event.name in self.runtimes:
            raise ValueError(f"runtime {event.name!r} is already up")
        self._queues.open(RuntimeState.of(event, self.limits.window_tokens, self._shares), now)

    def _runtime_lost(self, event: ev.RuntimeLost, now: float) -> None:
        closed = [self._queues.close(name) for name in (event.name, *event.others)]
        for runtime in filter(None, closed):  # all closed before: no call goes from one to another of them
            failure = Failure("runtime_failure", f"runtime {runtime.name} was lost: {event.reason}")
            for call in list(runtime.calls.values()):
                self._retry_or_fail(call, runtime, failure, now)

    def _retry_or_fail(
        self, call: Call, runtime: RuntimeState, failure: Failure, now: float, *, retryable: bool = True
    ) -> None:
        """Place the call elsewhere, unless its tries are used up or a client already saw its output."""
        runtime.release(call)
        seen = call.spec.stream and call.state is State.RUNNING
        if seen or not retryable or call.attempt >= self.limits.max_attempts:
            self._settle(call, State.FAILED, now, failure)
            return
        if call.state is not State.WAITING:
            advance(call, State.WAITING, now)
            call.avoid |= {runtime.name}
        self._queues.place(call, now)

    # --- workflows ------------------------------------------------------------------------------

    def _workflow_arrived(self, event: ev.WorkflowArrived, now: float) -> None:
        workflow = self.book.open_workflow(event.spec, now)
        self._forecast.opened(workflow, len(self.book.workflows) - 1, self.runtimes.values(), now)
        failure = self._gate.refusal(workflow, self.runtimes.values(), now, self.limits.max_open_workflows)
        if failure is not None:
            self._close_workflow(event.spec.workflow_id, State.REJECTED, now, failure)

    def _workflow_ended(self, event: ev.WorkflowEnded, now: float) -> None:
        workflow = self.book.workflows.get(event.workflow_id)
        if workflow is None or (event.silent and workflow.open_calls):
            return  # cancelled or expired meanwhile, or not silent
        state = State.FAILED if event.failure else State.FINISHED
        self._close_workflow(
            event.workflow_id, state, workflow.last_event if event.silent else now, event.failure
        )

    def _workflow_cancelled(self, event: ev.WorkflowCancelled, now: float) -> None:
        if event.workflow_id in self.book.workflows:
            self._close_workflow(event.workflow_id, State.CANCELLED, now, Failure("cancelled", event.reason))

    def _close_workflow(self, workflow_id: str, state: State, now: float, failure: Failure | None) -> None:
        workflow = self.book.workflows[workflow_id]
        reason = failure or Failure("cancelled", "the workflow has ended")
        for call_id in sorted(workflow.open_calls):
            self._withdraw(self.book.calls[call_id], State.CANCELLED, now, reason)
        self._out.append(self.book.close_workflow(workflow, state, now, failure))
        if state is State.FINISHED:
            self._forecast.finished(workflow, now)

    def _end_if_late(self, workflow: Workflow, now: float) -> bool:
        """End a workflow that has calls to send and no time left for them; return whether it was one."""
        failure = self._gate.too_late(workflow, now)
        if failure is None:
            return False
        self._close_workflow(workflow.spec.workflow_id, State.FAILED, now, failure)
        self._forecast.ended_late(workflow, now)
        return True

    def _deadline_changed(self, event: ev.DeadlineChanged, now: float) -> None:
        workflow = self.book.change_deadline(event.workflow_id, event.slo_seconds, now)
        self._queues.deadline_changed(workflow)

    def _branch_ended(self, event: ev.BranchEnded, now: float) -> None:
        workflow = self.book.workflows.get(event.workflow_id)
        if workflow is None:
            return  # cancelled or expired meanwhile
        if self.book.end_branch(workflow, event.join_id, event.branch, now):
            self._out.append(Joined(event.workflow_id, event.join_id))
        self._queues.siblings_changed(workflow)

    # --- calls ----------------------------------------------------------------------------------

    def _call_arrived(self, event: ev.CallArrived, now: float) -> None:
        most = self.limits.max_waiting_calls
        full = len(self.book.calls) >= most and self.waiting_calls >= most  # counting those that wait is dear
        self._sequence += 1
        call = self.book.open_call(event.spec, self._sequence, now)
        if full:
            self._settle(call, State.REJECTED, now, self._gate.full("calls are waiting", now))
        else:
            advance(call, State.WAITING, now)
            self._queues.place(call, now)

    def _call_cancelled(self, event: ev.CallCancelled, now: float) -> None:
        call = self.book.calls.get(event.call_id)
        if call is not None:
            self._withdraw(call, State.CANCELLED, now, Failure("cancelled", event.reason))

    def _first_token(self, event: ev.FirstTokenReported, now: float) -> None:
        call = self._current(event.call_id, event.attempt)
        if call is not None and call.state is State.DISPATCHED and call.runtime is not None:
            self.runtimes[call.runtime].first_token(call, event.cached_tokens, now)
            advance(call, State.RUNNING, now)

    def _call_finished(self, event: ev.CallFinished, now: float) -> None:
        call = self._current(event.call_id, event.attempt)
        if call is None or call.runtime is None:
            return
        self._forecast.call_finished(call, event)
        self.runtimes[call.runtime].finished(call, event, now)
        self._settle(call, State.FINISHED, now, None)

    def _call_failed(self, event: ev.CallFailed, now: float) -> None:
        call = self._current(event.call_id, event.attempt)
        if call is not None and call.runtime is not None:
            runtime = self.runtimes[call.runtime]
            self._retry_or_fail(call, runtime, event.failure, now, retryable=event.retryable)

    def _tick(self, _event: ev.Tick, now: float) -> None:
        for call in self.book.expired_calls(now):
            failure = Failure("timeout", f"the call took longer than {call.spec.timeout_seconds:g} s")
            self._withdraw(call, State.FAILED, now, failure)
        for runtime in self.runtimes.values():
            runtime.pass_time(now)
        for workflow in self.book.silent_workflows(now):
            if workflow.spec.silence_seconds is not None:
                self._close_workflow(workflow.spec.workflow_id, State.FINISHED, workflow.last_event, None)
                continue
            failure = Failure("timeout", "nothing was heard of the workflow")
            self._close_workflow(workflow.spec.workflow_id, State.CANCELLED, now, failure)
        for workflow in self.book.waiting_workflows():
            self._end_if_late(workflow, now)

    def _current(self, call_id: int, attempt: int) -> Call | None:
        """Return the call if ``attempt`` is its present one and on a runtime (a late report is no news)."""
        call = self.book.calls.get(call_id)
        live = call is not None and call.state in (State.DISPATCHED, State.RUNNING)
        return call if live and call is not None and call.attempt == attempt else None

    def _withdraw(self, call: Call, state: State, now: float, failure: Failure) -> None:
        """End a call that may be on a runtime, telling the runtime."""
        if call.runtime is not None and call.runtime in self.runtimes:
            if call.state in (State.DISPATCHED, State.RUNNING):
                self._out.append(AbortCall(call.spec.call_id, call.attempt, call.runtime))
            self.runtimes[call.runtime].release(call)
        self._settle(call, state, now, failure)

    def _settle(self, call: Call, state: State, now: float, failure: Failure | None) -> None:
        advance(call, state, now, failure)
        assert call.state in TERMINAL
        self._queues.forget(call)
        spec = call.spec
        self._out.append(CallSettled(spec.call_id, spec.workflow_id, state, failure))
        joined = self.book.close_call(call, now)
        if joined and spec.join_id is not None:
            self._out.append(Joined(spec.workflow_id, spec.join_id))
        if spec.ends_branch:
            self._queues.siblings_changed(call.workflow)
