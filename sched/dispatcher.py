"""The state machine: events with timestamps in, decisions out.  No clock, no input or output.

The live controller and the simulator drive this same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sched import events as ev
from sched.cluster import RuntimeState
from sched.errors import Failure
from sched.lifecycle import Book
from sched.placer import Placer
from sched.policy import OrderingPolicy, PlacementPolicy
from sched.profile import StageProfile
from sched.request import TERMINAL, Call, State, advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the core.

    ``window_tokens``: uncached prompt tokens in flight to a runtime before its first tokens come back.
    ``max_waiting_calls``: when so many are not yet sent, a new call is refused.  ``max_attempts``: times
    a call is sent.  ``workflow_ttl_seconds``: after so much silence a workflow without open calls ends.
    """

    window_tokens: int = 4096
    max_waiting_calls: int = 10_000
    max_attempts: int = 3
    workflow_ttl_seconds: float = 600.0


class Dispatcher:
    """Admits, budgets, places and orders calls.  Feed it with :meth:`handle`; carry out what it returns."""

    def __init__(
        self,
        placement: PlacementPolicy,
        ordering: OrderingPolicy,
        limits: Limits | None = None,
        profile: StageProfile | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.profile = profile or StageProfile()
        self.runtimes: dict[str, RuntimeState] = {}
        self.book = Book(self.profile, self.limits.workflow_ttl_seconds)
        self._placer = Placer(placement, ordering, self.profile)
        self._unplaced: dict[int, Call] = {}
        self._sequence = 0
        self._out: list[ev.Decision] = []
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            ev.RuntimeUp: self._runtime_up,
            ev.RuntimeLost: self._runtime_lost,
            ev.WorkflowArrived: lambda e, now: self.book.open_workflow(e.spec, now),
            ev.WorkflowEnded: self._workflow_ended,
            ev.WorkflowCancelled: self._workflow_cancelled,
            ev.JoinOpened: lambda e, now: self.book.open_join(e, now),
            ev.BranchEnded: self._branch_ended,
            ev.CallArrived: self._call_arrived,
            ev.CallCancelled: self._call_cancelled,
            ev.FirstToken: self._first_token,
            ev.CallFinished: self._call_finished,
            ev.CallFailed: self._call_failed,
            ev.Tick: self._tick,
        }

    @property
    def waiting_calls(self) -> int:
        """Calls that were accepted and not sent to a runtime."""
        return len(self._unplaced) + sum(r.held_calls for r in self.runtimes.values())

    def handle(self, event: ev.Event, now: float) -> list[ev.Decision]:
        """Apply ``event`` at ``now`` (seconds, never going back) and return the decisions, in order.

        Raises:
            KeyError: the event names a workflow that is not open.
            ValueError: a workflow, call or runtime is announced twice.
        """
        self._out = []
        self._handlers[type(event)](event, now)
        return self._out

    # --- runtimes -------------------------------------------------------------------------------

    def _runtime_up(self, event: ev.RuntimeUp, now: float) -> None:
        if event.name in self.runtimes:
            raise ValueError(f"runtime {event.name!r} is already up")
        self.runtimes[event.name] = RuntimeState(
            event.name,
            max_total_tokens=event.max_total_tokens,
            max_running_requests=event.max_running_requests,
            window_tokens=self.limits.window_tokens,
            speed=event.speed,
        )
        waiting, self._unplaced = list(self._unplaced.values()), {}
        for call in waiting:
            self._place(call, now)
        self._pump(now)

    def _runtime_lost(self, event: ev.RuntimeLost, now: float) -> None:
        runtime = self.runtimes.pop(event.name, None)
        if runtime is None:
            return
        failure = Failure("runtime_failure", f"runtime {event.name} was lost: {event.reason}")
        for call in list(runtime.calls.values()):
            self._retry_or_fail(call, runtime, failure, now)
        self._pump(now)

    def _retry_or_fail(self, call: Call, runtime: RuntimeState, failure: Failure, now: float) -> None:
        """Place the call elsewhere, unless its tries are used up or a client already saw its output."""
        runtime.release(call)
        seen = call.spec.stream and call.state is State.RUNNING
        if seen or call.attempt >= self.limits.max_attempts:
            self._settle(call, State.FAILED, now, failure)
            return
        if call.state is not State.WAITING:
            advance(call, State.WAITING, now)
            call.avoid |= {runtime.name}
        self._place(call, now)

    # --- workflows ------------------------------------------------------------------------------

    def _workflow_ended(self, event: ev.WorkflowEnded, now: float) -> None:
        if event.workflow_id not in self.book.workflows:
            return  # cancelled or expired meanwhile
        state = State.FAILED if event.failure else State.FINISHED
        self._close_workflow(event.workflow_id, state, now, event.failure)

    def _workflow_cancelled(self, event: ev.WorkflowCancelled, now: float) -> None:
        if event.workflow_id in self.book.workflows:
            failure = Failure("cancelled", event.reason)
            self._close_workflow(event.workflow_id, State.CANCELLED, now, failure)

    def _close_workflow(self, workflow_id: str, state: State, now: float, failure: Failure | None) -> None:
        workflow = self.book.workflows[workflow_id]
        reason = failure or Failure("cancelled", "the workflow has ended")
        for call_id in sorted(workflow.open_calls):
            self._withdraw(self.book.calls[call_id], State.CANCELLED, now, reason)
        self._out.append(self.book.close_workflow(workflow, state, now, failure))
        self._pump(now)

    def _branch_ended(self, event: ev.BranchEnded, now: float) -> None:
        if self.book.end_branch(event.workflow_id, event.join_id, event.branch, now):
            self._out.append(ev.Joined(event.workflow_id, event.join_id))

    # --- calls ----------------------------------------------------------------------------------

    def _call_arrived(self, event: ev.CallArrived, now: float) -> None:
        waiting = self.waiting_calls
        self._sequence += 1
        call = self.book.open_call(event.spec, self._sequence, now)
        if waiting >= self.limits.max_waiting_calls:
            failure = Failure("overloaded", "too many calls are waiting; try again later", retry_after=1.0)
            self._settle(call, State.REJECTED, now, failure)
            return
        advance(call, State.WAITING, now)
        self._place(call, now)
        self._pump(now)

    def _call_cancelled(self, event: ev.CallCancelled, now: float) -> None:
        call = self.book.calls.get(event.call_id)
        if call is not None:
            self._withdraw(call, State.CANCELLED, now, Failure("cancelled", event.reason))
            self._pump(now)

    def _first_token(self, event: ev.FirstToken, now: float) -> None:
        call = self._current(event.call_id, event.attempt)
        if call is not None and call.state is State.DISPATCHED and call.runtime is not None:
            self.runtimes[call.runtime].first_token(call)
            advance(call, State.RUNNING, now)
            self._pump(now)

    def _call_finished(self, event: ev.CallFinished, now: float) -> None:
        call = self._current(event.call_id, event.attempt)
        if call is None or call.runtime is None:
            return
        runtime = self.runtimes[call.runtime]
        runtime.latency.observe(
            call.prompt_tokens - event.cached_tokens,
            event.output_tokens,
            event.ttft_seconds,
            event.total_seconds,
            alone=call.alone,
        )
        spec = call.workflow.spec
        self.profile.observe_call(
            spec.kind, spec.database, call.stage, call.prompt_tokens, event.output_tokens
        )
        runtime.release(call)
        self._settle(call, State.FINISHED, now, None)
        self._pump(now)

    def _call_failed(self, event: ev.CallFailed, now: float) -> None:
        call = self._current(event.call_id, event.attempt)
        if call is None or call.runtime is None:
            return
        runtime = self.runtimes[call.runtime]
        if event.retryable:
            self._retry_or_fail(call, runtime, event.failure, now)
        else:
            runtime.release(call)
            self._settle(call, State.FAILED, now, event.failure)
        self._pump(now)

    def _tick(self, _event: ev.Tick, now: float) -> None:
        for call in self.book.expired_calls(now):
            failure = Failure("timeout", f"the call took longer than {call.spec.timeout_seconds:g} s")
            self._withdraw(call, State.FAILED, now, failure)
        for workflow in self.book.silent_workflows(now):
            failure = Failure("timeout", "nothing was heard of the workflow")
            self._close_workflow(workflow.spec.workflow_id, State.CANCELLED, now, failure)
        self._pump(now)

    def _current(self, call_id: int, attempt: int) -> Call | None:
        """Return the call if ``attempt`` is its present one and on a runtime (a late report is no news)."""
        call = self.book.calls.get(call_id)
        live = call is not None and call.state in (State.DISPATCHED, State.RUNNING)
        return call if live and call is not None and call.attempt == attempt else None

    def _withdraw(self, call: Call, state: State, now: float, failure: Failure) -> None:
        """End a call that may be on a runtime, telling the runtime."""
        if call.runtime is not None and call.runtime in self.runtimes:
            if call.state in (State.DISPATCHED, State.RUNNING):
                self._out.append(ev.Abort(call.spec.call_id, call.attempt, call.runtime))
            self.runtimes[call.runtime].release(call)
        self._settle(call, state, now, failure)

    def _settle(self, call: Call, state: State, now: float, failure: Failure | None) -> None:
        advance(call, state, now, failure)
        assert call.state in TERMINAL
        self._unplaced.pop(call.spec.call_id, None)
        spec = call.spec
        self._out.append(ev.CallSettled(spec.call_id, spec.workflow_id, state, failure))
        joined = self.book.close_call(call, now)
        if joined and spec.join_id is not None:
            self._out.append(ev.Joined(spec.workflow_id, spec.join_id))

    # --- placing and sending --------------------------------------------------------------------

    def _place(self, call: Call, now: float) -> None:
        everywhere = list(self.runtimes.values())
        if not everywhere:
            call.runtime = None
            self._unplaced[call.spec.call_id] = call
            return
        fresh = [r for r in everywhere if r.name not in call.avoid]
        try:
            runtime = self._placer.place(call, fresh or everywhere, now)
        except Exception as error:  # a policy's fault costs this call, never the decisions on others
            failure = Failure("internal_error", f"the placement or ordering policy failed: {error!r}")
            self._settle(call, State.FAILED, now, failure)
        else:
            runtime.hold(call)

    def _pump(self, now: float) -> None:
        for runtime in self.runtimes.values():
            for call in runtime.take_sendable():
                call.attempt += 1
                advance(call, State.DISPATCHED, now)
                self._out.append(
                    ev.Dispatch(
                        call_id=call.spec.call_id,
                        attempt=call.attempt,
                        runtime=runtime.name,
                        key=call.key,
                        sequence=call.sequence,
                        remaining_seconds=max(0.0, call.ready_at + call.spec.timeout_seconds - now),
                        record=self._placer.record(call, now),
                    )
                )
