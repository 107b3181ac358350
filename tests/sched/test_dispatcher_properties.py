"""The dispatcher under random interleavings of everything that can happen to it.

``Machine`` makes events; ``Referee`` (``referee.py``) knows what may follow each and what always holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sched import events as ev
from sched.decisions import Dispatch
from sched.dispatcher import Dispatcher
from sched.errors import Failure
from sched.policy import OrderingPolicy
from sched.request import IllegalTransitionError, State, advance
from sched.workflow import PlanStep
from tests.factories import DeadlineAndSiblings, call_spec, chain, make_dispatcher, workflow_spec
from tests.sched.referee import Referee

T = TypeVar("T")

_RUNTIMES = ("r0", "r1", "r2")
_STAGES = ("generate_candidate", "revise", "own")
_FOLLOWING = DeadlineAndSiblings()
_PAIRS: tuple[tuple[str, str | OrderingPolicy], ...] = (
    ("round_robin", "fcfs"),
    ("least_work", "urgency"),
    ("least_work", "fcfs"),
    ("least_work", _FOLLOWING),
)
_index = st.integers(0, 1000)
_seconds = st.floats(0.0, 30.0)
_plans = st.lists(st.builds(PlanStep, st.sampled_from(_STAGES), st.floats(0.0, 3.0)), max_size=3)


def pick(items: Sequence[T], index: int) -> T:
    """Return one of ``items``, the latest for 0."""
    return items[-1 - index % len(items)]


class Machine(RuleBasedStateMachine):
    """Makes any event that may come, in any order."""

    make: Callable[[], Dispatcher]
    ordering: str | OrderingPolicy
    referee: Referee

    @initialize(
        policies=st.sampled_from(_PAIRS),
        window=st.sampled_from([64, 400, 4096]),
        attempts=st.integers(1, 3),
        waiting=st.sampled_from([2, 10_000]),
    )
    def start(
        self, policies: tuple[str, str | OrderingPolicy], window: int, attempts: int, waiting: int
    ) -> None:
        self.ordering = policies[1]
        self.make = lambda: make_dispatcher(
            *policies,
            window_tokens=window,
            max_attempts=attempts,
            max_waiting_calls=waiting,
            workflow_ttl_seconds=40.0,
        )
        self.referee = Referee(self.make())
        self.calls = 0
        self.workflows = 0
        self.joins: list[tuple[str, str, int]] = []
        self.referee.feed(ev.RuntimeUp("r0", 100_000, 8))
        self.new_workflow(slo=60.0, plan=[])

    @property
    def open_workflows(self) -> list[str]:
        return list(self.referee.dispatcher.book.workflows)

    @property
    def sent(self) -> list[Dispatch]:
        return list(self.referee.cluster.sent.values())

    # --- runtimes and time ----------------------------------------------------------------------

    @rule(seconds=_seconds, tick=st.booleans())
    def pass_time(self, seconds: float, tick: bool) -> None:
        self.referee.cluster.now += seconds
        if tick:
            self.referee.feed(ev.Tick())

    @rule(name=st.sampled_from(_RUNTIMES), cache=st.sampled_from([96, 100_000]))
    def runtime_up(self, name: str, cache: int) -> None:
        if name not in self.referee.dispatcher.runtimes:
            self.referee.feed(ev.RuntimeUp(name, cache, 8))

    @precondition(lambda self: self.referee.dispatcher.runtimes)
    @rule(index=_index)
    def runtime_lost(self, index: int) -> None:
        name = pick(list(self.referee.dispatcher.runtimes), index)
        self.referee.feed(ev.RuntimeLost(name, "it died"))

    # --- workflows and joins --------------------------------------------------------------------

    @precondition(lambda self: len(self.open_workflows) < 3)
    @rule(slo=st.floats(0.0, 300.0), plan=_plans)
    def new_workflow(self, slo: float, plan: list[PlanStep]) -> None:
        self.workflows += 1
        spec = workflow_spec(f"w{self.workflows}", slo_seconds=slo, plan=tuple(plan))
        self.referee.feed(ev.WorkflowArrived(spec))

    @precondition(lambda self: self.workflows > 1)
    @rule(index=_index, cancel=st.booleans(), failed=st.booleans())
    def end_workflow(self, index: int, cancel: bool, failed: bool) -> None:
        workflow_id = f"w{1 + index % self.workflows}"  # possibly one that has ended
        failure = Failure("runtime_failure", "the program raised") if failed else None
        self.referee.feed(
            ev.WorkflowCancelled(workflow_id, "left") if cancel else ev.WorkflowEnded(workflow_id, failure)
        )

    @precondition(lambda self: self.open_workflows)
    @rule(index=_index, slo=st.floats(0.0, 300.0))
    def change_deadline(self, index: int, slo: float) -> None:
        self.referee.feed(ev.DeadlineChanged(pick(self.open_workflows, index), slo))

    @precondition(lambda self: self.open_workflows)
    @rule(index=_index, size=st.integers(1, 3))
    def open_join(self, index: int, size: int) -> None:
        join = (pick(self.open_workflows, index), f"j{len(self.joins)}", size)
        self.joins.append(join)
        self.referee.feed(ev.JoinOpened(*join))

    @precondition(lambda self: self.joins)
    @rule(index=_index, branch=_index)
    def end_branch(self, index: int, branch: int) -> None:
        workflow_id, join_id, size = pick(self.joins, index)
        self.referee.feed(ev.BranchEnded(workflow_id, join_id, branch % size))

    # --- calls ----------------------------------------------------------------------------------

    @precondition(lambda self: self.open_workflows)
    @rule(
        burst=st.integers(1, 4),
        index=_index,
        stage=st.sampled_from(_STAGES),
        prompt_tokens=st.integers(1, 600),
        max_new_tokens=st.integers(1, 64),
        family=st.integers(0, 2),
        stream=st.booleans(),
        priority=st.integers(-1, 1),
        timeout_seconds=st.sampled_from([10.0, 600.0]),
    )
    def call(self, burst: int, index: int, family: int, **changes: Any) -> None:
        for _ in range(burst):
            self.calls += 1
            self.referee.feed(
                ev.CallArrived(
                    call_spec(
                        self.calls,
                        workflow_id=pick(self.open_workflows, index),
                        blocks=chain(family, changes["prompt_tokens"]),
                        **changes,
                    )
                )
            )

    @precondition(lambda self: any(w in self.open_workflows for w, _, _ in self.joins))
    @rule(index=_index, branch=_index, ends_branch=st.booleans())
    def sibling(self, index: int, branch: int, ends_branch: bool) -> None:
        self.calls += 1
        workflow_id, join_id, size = pick([j for j in self.joins if j[0] in self.open_workflows], index)
        spec = call_spec(
            self.calls,
            workflow_id=workflow_id,
            join_id=join_id,
            join_size=size,
            branch=branch % size,
            ends_branch=ends_branch,
        )
        self.referee.feed(ev.CallArrived(spec))

    @precondition(lambda self: self.calls)
    @rule(index=_index)
    def cancel(self, index: int) -> None:
        self.referee.feed(ev.CallCancelled(self.calls - index % self.calls, "not needed"))

    @precondition(lambda self: self.sent)
    @rule(index=_index)
    def first_token(self, index: int) -> None:
        dispatch = pick(self.sent, index)
        self.referee.feed(ev.FirstTokenReported(dispatch.call_id, dispatch.attempt, 0))

    @precondition(lambda self: self.sent)
    @rule(index=_index, cached=st.integers(0, 600), output=st.integers(0, 64), ttft=_seconds, rest=_seconds)
    def finish(self, index: int, cached: int, output: int, ttft: float, rest: float) -> None:
        dispatch = pick(self.sent, index)
        self.referee.feed(
            ev.CallFinished(dispatch.call_id, dispatch.attempt, cached, output, ttft, ttft + rest)
        )

    @precondition(lambda self: self.sent)
    @rule(index=_index, retryable=st.booleans())
    def fail(self, index: int, retryable: bool) -> None:
        dispatch = pick(self.sent, index)
        failure = Failure("runtime_failure", "out of memory")
        self.referee.feed(ev.CallFailed(dispatch.call_id, dispatch.attempt, failure, retryable))

    @precondition(lambda self: self.referee.past_attempts())
    @rule(index=_index, kind=st.sampled_from([ev.FirstTokenReported, ev.CallFinished, ev.CallFailed]))
    def late_report(self, index: int, kind: type) -> None:
        call_id, attempt = pick(self.referee.past_attempts(), index)
        event: ev.Event = ev.FirstTokenReported(call_id, attempt, 0)
        if kind is ev.CallFinished:
            event = ev.CallFinished(call_id, attempt, 0, 5, 0.1, 0.2)
        elif kind is ev.CallFailed:
            event = ev.CallFailed(call_id, attempt, Failure("runtime_failure", "late"), retryable=True)
        assert self.referee.feed(event) == []

    # --- what always holds ----------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        self.referee.check_state()

    @invariant()
    def keys_are_those_of_now(self) -> None:
        if self.ordering is not _FOLLOWING:
            return
        for call in self.referee.dispatcher.book.calls.values():
            if call.runtime is not None and call.state in (State.WAITING, State.DISPATCHED):
                assert call.key == call.stage_deadline + 10.0 * call.siblings_left

    def teardown(self) -> None:
        if not hasattr(self, "referee"):
            return
        self.referee.drain()
        self.referee.check_drained()
        for call in self.referee.records.values():
            for state in State:
                with pytest.raises(IllegalTransitionError):
                    advance(call, state, self.referee.cluster.now)
        again = self.make()
        for event, now, decisions in self.referee.cluster.log:
            assert again.handle(event, now) == decisions, "the same events led to other decisions"


Machine.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
TestDispatcher = Machine.TestCase
