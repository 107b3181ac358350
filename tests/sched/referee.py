"""What may follow each event, and what must always hold: the dispatcher's rules written a second time."""

from __future__ import annotations

import pytest

from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Decision, Dispatch, Joined, RekeyCall, WorkflowSettled
from sched.dispatcher import Dispatcher
from sched.order import queue_position
from sched.request import TERMINAL, Call, State
from tests.factories import SimpleCluster

_WITHDRAWING = (ev.CallCancelled, ev.Tick, ev.WorkflowEnded, ev.WorkflowCancelled)


class Referee:
    """Feeds a dispatcher and checks its decisions against a model kept from the events alone."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.cluster = SimpleCluster(dispatcher)
        self.arrived: dict[int, tuple[ev.CallArrived, float]] = {}
        self.settled: dict[int, CallSettled] = {}
        self.records: dict[int, Call] = {}
        self.attempts: dict[int, int] = {}
        self._keys: dict[int, float] = {}
        self._open_workflows: set[str] = set()
        self._branches: dict[tuple[str, str], set[int]] = {}
        self._joined: set[tuple[str, str]] = set()

    def past_attempts(self) -> list[tuple[int, int]]:
        """Return every (call, attempt) that is no longer live."""
        live = {(d.call_id, d.attempt) for d in self.cluster.sent.values()}
        every = [(i, n) for i, last in self.attempts.items() for n in range(1, last + 1)]
        return [attempt for attempt in every if attempt not in live]

    def feed(self, event: ev.Event) -> list[Decision]:
        """Apply ``event`` and check what follows."""
        now = self.cluster.now
        live = dict(self.cluster.sent)
        expired = self._expired(now)
        if isinstance(event, ev.CallArrived):
            self.arrived[event.spec.call_id] = (event, now)
        elif isinstance(event, ev.WorkflowArrived):
            self._open_workflows.add(event.spec.workflow_id)
        elif isinstance(event, ev.JoinOpened):
            self._branches[event.workflow_id, event.join_id] = set(range(event.size))
        elif isinstance(event, ev.BranchEnded):
            self._end_branch(event.workflow_id, event.join_id, event.branch)
        decisions = self.cluster.feed(event)
        if isinstance(event, ev.RuntimeLost):
            live = {i: d for i, d in live.items() if d.runtime != event.name}
        elif isinstance(event, ev.CallFailed):
            live = {i: d for i, d in live.items() if (i, d.attempt) != (event.call_id, event.attempt)}
        settled = [self._settle(d) for d in decisions if isinstance(d, CallSettled)]
        self._check_aborts(event, decisions, [live[i] for i in settled if i in live])
        self._check_rekeys(decisions, live)
        self._check_dispatches(decisions, live)
        self._check_joins(decisions)
        self._check_workflows(decisions)
        if isinstance(event, ev.Tick):
            assert set(settled) == expired
        for call in self.dispatcher.book.calls.values():
            self.records.setdefault(call.spec.call_id, call)
        return decisions

    def _expired(self, now: float) -> set[int]:
        return {
            i
            for i, (event, since) in self.arrived.items()
            if i not in self.settled and since + event.spec.timeout_seconds <= now
        }

    def _settle(self, decision: CallSettled) -> int:
        assert decision.call_id in self.arrived, "settled before it arrived"
        assert decision.call_id not in self.settled, "settled twice"
        assert decision.state in TERMINAL
        assert (decision.failure is None) is (decision.state is State.FINISHED)
        self.settled[decision.call_id] = decision
        spec = self.arrived[decision.call_id][0].spec
        if spec.join_id is not None and spec.ends_branch:
            self._end_branch(spec.workflow_id, spec.join_id, spec.branch)
        return decision.call_id

    def _end_branch(self, workflow_id: str, join_id: str, branch: int) -> None:
        if workflow_id in self._open_workflows:
            self._branches[workflow_id, join_id].discard(branch)

    @staticmethod
    def _check_aborts(event: ev.Event, decisions: list[Decision], ended: list[Dispatch]) -> None:
        """Exactly the live calls that were cancelled or timed out are aborted, where they are."""
        expected = [AbortCall(d.call_id, d.attempt, d.runtime) for d in ended]
        aborts = [d for d in decisions if isinstance(d, AbortCall)]
        assert aborts == (expected if isinstance(event, _WITHDRAWING) else [])

    def _check_rekeys(self, decisions: list[Decision], live: dict[int, Dispatch]) -> None:
        """Each moves a live attempt, where it is, and comes before anything else is sent."""
        sending = [isinstance(d, Dispatch) for d in decisions if isinstance(d, Dispatch | RekeyCall)]
        assert sending == sorted(sending)
        for d in decisions:
            if isinstance(d, RekeyCall):
                assert (d.attempt, d.runtime) == (live[d.call_id].attempt, live[d.call_id].runtime)
                assert d.key != self._keys[d.call_id], "nothing has changed"
                self._keys[d.call_id] = d.key

    def _check_dispatches(self, decisions: list[Decision], live: dict[int, Dispatch]) -> None:
        """Each is a further attempt of an open call on a runtime that is up, in the order of keys."""
        last: dict[str, tuple[int, float, int]] = {}
        for d in decisions:
            if not isinstance(d, Dispatch):
                continue
            assert d.runtime in self.dispatcher.runtimes
            assert d.call_id not in self.settled
            assert d.call_id not in live, "sent while an attempt is running"
            assert d.attempt == self.attempts.get(d.call_id, 0) + 1 <= self.dispatcher.limits.max_attempts
            limit = self.arrived[d.call_id][0].spec.timeout_seconds
            assert 0 <= d.remaining_seconds <= limit + 1e-9
            self.attempts[d.call_id] = d.attempt
            self._keys[d.call_id] = d.key
            position = queue_position(d.key, d.sequence, d.priority)
            assert d.runtime not in last or last[d.runtime] < position
            last[d.runtime] = position
        for call in self.dispatcher.book.calls.values():
            if call.state is State.WAITING and call.runtime in last:
                position = queue_position(call.key, call.sequence, call.spec.priority)
                assert position > last[call.runtime], "overtaken"

    def _check_joins(self, decisions: list[Decision]) -> None:
        """A join completes with its last branch and never again."""
        joins = [(d.workflow_id, d.join_id) for d in decisions if isinstance(d, Joined)]
        complete = {join for join, left in self._branches.items() if not left} - self._joined
        assert sorted(joins) == sorted(complete)
        self._joined |= complete

    def _check_workflows(self, decisions: list[Decision]) -> None:
        """A workflow settles once, after all its calls."""
        for d in decisions:
            if isinstance(d, WorkflowSettled):
                self._open_workflows.remove(d.workflow_id)
                mine = (e.spec for e, _ in self.arrived.values() if e.spec.workflow_id == d.workflow_id)
                assert all(spec.call_id in self.settled for spec in mine)
        assert self._open_workflows == set(self.dispatcher.book.workflows)

    def check_state(self) -> None:
        """Check what holds between any two events."""
        calls = self.dispatcher.book.calls
        for call in calls.values():
            if call.state is State.DISPATCHED:
                assert call.key == self._keys[call.spec.call_id], "its runtime was not told"
        assert set(calls) == set(self.arrived) - set(self.settled), "a call was lost"
        for call in calls.values():
            if call.runtime is not None:
                assert call.runtime in self.dispatcher.runtimes, "a call is where nothing is"
                if call.state is not State.RUNNING:  # there it no longer matters
                    assert call.stage_deadline <= call.workflow.deadline
            else:
                assert not self.dispatcher.runtimes, "a call waits though a runtime is up"
        for name in self.dispatcher.runtimes:
            self._check_runtime(name)

    def _check_runtime(self, name: str) -> None:
        runtime = self.dispatcher.runtimes[name]
        mine = [c for c in self.dispatcher.book.calls.values() if c.runtime == name]
        held = [c for c in mine if c.state is State.WAITING]
        prefilling = [c for c in mine if c.state is State.DISPATCHED]
        tokens = sum(c.uncached_tokens for c in prefilling)
        assert runtime.outstanding_calls == len(mine)
        assert runtime.held_calls == len(held)
        assert runtime.sent_tokens == tokens
        assert runtime.outstanding_seconds == pytest.approx(sum(c.predicted_seconds for c in mine), abs=1e-9)
        assert tokens <= runtime.window.tokens or len(prefilling) == 1, "the window was overrun"
        if held:
            first = min(held, key=lambda c: queue_position(c.key, c.sequence, c.spec.priority))
            assert tokens, "a runtime idles though calls are held for it"
            assert tokens + first.uncached_tokens > runtime.window.tokens
        if not mine:
            assert runtime.outstanding_seconds == 0.0, "an idle runtime is exactly idle"

    def drain(self) -> None:
        """Finish all calls, on a runtime that is brought up if there is none, and end all workflows."""
        if not self.dispatcher.runtimes:
            self.feed(ev.RuntimeUp("rescue", 100_000, 8))
        while self.cluster.sent:
            dispatch = next(iter(self.cluster.sent.values()))
            self.feed(ev.CallFinished(dispatch.call_id, dispatch.attempt, 0, 8, 0.1, 0.2))
        for workflow_id in list(self.dispatcher.book.workflows):
            self.feed(ev.WorkflowEnded(workflow_id))

    def check_drained(self) -> None:
        """Check that nothing is left over."""
        self.check_state()
        assert set(self.settled) == set(self.arrived)
        assert not self.dispatcher.book.calls
        assert not self.dispatcher.book.workflows
        for runtime in self.dispatcher.runtimes.values():
            assert (runtime.outstanding_seconds, runtime.outstanding_calls) == (0.0, 0)
            assert (runtime.sent_tokens, runtime.held_calls) == (0, 0)
