"""The lifecycle of calls and workflows."""

from __future__ import annotations

import pytest

from sched.errors import Failure
from sched.request import TERMINAL, IllegalTransitionError, Join, State, advance
from tests.factories import call_spec, make_call

_PATHS = [
    [State.REJECTED],
    [State.WAITING, State.CANCELLED],
    [State.WAITING, State.FAILED],
    [State.WAITING, State.DISPATCHED, State.FINISHED],
    [State.WAITING, State.DISPATCHED, State.RUNNING, State.FINISHED],
    [State.WAITING, State.DISPATCHED, State.WAITING, State.DISPATCHED, State.FAILED],
    [State.WAITING, State.DISPATCHED, State.RUNNING, State.WAITING, State.CANCELLED],
]


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: "-".join(path))
def test_the_usual_lives_of_a_call(path: list[State]) -> None:
    """A call may take each documented way, and its end is stamped with time and failure."""
    call = make_call()
    failure = Failure("runtime_failure", "boom")
    for when, state in enumerate(path, start=1):
        assert call.ended_at is None
        advance(call, state, float(when), failure if state is State.FAILED else None)
        assert call.state is state
    assert call.ended_at == len(path)
    assert call.failure == (failure if path[-1] is State.FAILED else None)


@pytest.mark.parametrize("terminal", sorted(TERMINAL))
def test_terminal_states_are_final(terminal: State) -> None:
    """Out of a terminal state no step is allowed, not even to itself, and nothing changes."""
    call = make_call()
    call.state, call.ended_at = terminal, 3.0
    for state in State:
        with pytest.raises(IllegalTransitionError, match=terminal):
            advance(call, state, 9.0, Failure("x", "y"))
    assert (call.state, call.ended_at, call.failure) == (terminal, 3.0, None)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (State.ACCEPTED, State.DISPATCHED),
        (State.ACCEPTED, State.FINISHED),
        (State.WAITING, State.RUNNING),
        (State.WAITING, State.FINISHED),
        (State.WAITING, State.REJECTED),
        (State.RUNNING, State.DISPATCHED),
        (State.RUNNING, State.REJECTED),
    ],
)
def test_no_step_is_skipped(source: State, target: State) -> None:
    """A call can't run unsent, finish unsent, or be rejected after it was queued."""
    call = make_call()
    call.state = source
    with pytest.raises(IllegalTransitionError):
        advance(call, target, 1.0)
    assert call.state is source


def test_siblings_left_counts_the_calls_own_branch() -> None:
    """``siblings_left`` is 1 without a join, falls as branches end, and never falls below 1."""
    assert make_call().siblings_left == 1
    call = make_call(spec=call_spec(join_id="j", join_size=3))
    assert call.siblings_left == 1, "the join is not open"
    join = call.workflow.joins["j"] = Join(3)
    assert call.siblings_left == 3
    join.ended |= {1, 2}
    assert call.siblings_left == 1
    join.ended |= {0}
    assert call.siblings_left == 1, "a straggler of an ended branch still counts itself"


def test_uncached_tokens_is_what_is_left_to_compute() -> None:
    """``uncached_tokens`` is the prompt less the predicted cached part."""
    call = make_call()
    call.predicted_cached_tokens = 64
    assert call.uncached_tokens == 36
