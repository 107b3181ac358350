"""The belief about one runtime."""

from __future__ import annotations

import pytest

from sched.predict.speed import Chunks, Speed
from sched.request import Call, State, advance
from sched.runtime import RuntimeState
from tests.factories import call_spec, chain, make_call


def runtime(window_tokens: int = 250) -> RuntimeState:
    """Return a runtime with an empty cache."""
    return RuntimeState("r0", max_total_tokens=10_000, max_running_requests=8, window_tokens=window_tokens)


def held(state: RuntimeState, sequence: int, *, tokens: int = 100, key: float = 0.0) -> Call:
    """Return a call that ``state`` holds."""
    call = make_call(sequence, spec=call_spec(sequence, prompt_tokens=tokens, blocks=chain(sequence, tokens)))
    advance(call, State.WAITING, 0.0)
    call.runtime, call.key = state.name, key
    call.predicted_seconds = state.service_seconds(call)
    state.hold(call)
    return call


def send(state: RuntimeState) -> list[int]:
    """Send what may be sent; return the calls' sequences."""
    sent = []
    for call in state.take_sendable(0.0, lambda call: False):
        advance(call, State.DISPATCHED, 0.0)
        sent.append(call.sequence)
    return sent


@pytest.mark.parametrize(("window_tokens", "sent"), [(199, [1]), (200, [1, 2]), (201, [1, 2])])
def test_the_window_may_be_filled_exactly(window_tokens: int, sent: list[int]) -> None:
    """Calls are sent while their uncached tokens fit the window, to the token."""
    state = runtime(window_tokens)
    for sequence in (1, 2, 3):
        held(state, sequence)
    assert send(state) == sent
    assert state.sent_tokens == 100 * len(sent)


def test_a_large_call_in_front_is_not_overtaken() -> None:
    """No backfilling: a smaller call behind one that doesn't fit waits too."""
    state = runtime()
    for sequence, tokens in [(1, 200), (2, 100), (3, 10)]:
        held(state, sequence, tokens=tokens)
    assert send(state) == [1]


def test_work_is_counted_from_placing_to_release() -> None:
    """Held and sent calls both count; the sums return to exactly zero."""
    state = runtime(100)
    calls = [held(state, sequence, tokens=70 + sequence) for sequence in (1, 2, 3)]
    send(state)
    total = sum(c.predicted_seconds for c in calls)
    assert state.outstanding_seconds == pytest.approx(total)
    assert (state.outstanding_calls, state.held_calls) == (3, 2)
    for call in calls:
        state.release(call)
    assert (state.outstanding_seconds, state.outstanding_calls, state.held_calls) == (0.0, 0, 0)
    assert state.sent_tokens == 0


def test_releasing_twice_changes_nothing() -> None:
    """A call that is not here any more isn't subtracted again."""
    state = runtime()
    first, second = held(state, 1), held(state, 2)
    send(state)
    state.release(first)
    state.release(first)
    assert state.outstanding_seconds == pytest.approx(second.predicted_seconds)
    assert state.sent_tokens == second.uncached_tokens


def test_a_call_cancelled_while_held_is_skipped() -> None:
    """What was released and ended while it was held is never sent."""
    state = runtime(100)
    calls = [held(state, sequence) for sequence in (1, 2, 3)]
    assert send(state) == [1]
    state.release(calls[1])
    advance(calls[1], State.CANCELLED, 1.0)
    state.first_token(calls[0], 0, 1.0)
    advance(calls[0], State.RUNNING, 1.0)
    assert send(state) == [3]


def test_only_a_call_sent_to_an_idle_runtime_is_alone() -> None:
    """``alone`` tells which times to first token are pure prefill: a running call spoils it too."""
    state = runtime(1000)
    first, second = held(state, 1), held(state, 2)
    send(state)
    state.release(first)
    advance(first, State.FINISHED, 1.0)
    state.first_token(second, 0, 1.0)
    advance(second, State.RUNNING, 1.0)
    third = held(state, 3)
    send(state)
    for call in (second, third):
        state.release(call)
    fourth = held(state, 4)
    send(state)
    assert [c.alone for c in (first, second, third, fourth)] == [True, False, False, True]


def test_a_sent_prefix_costs_no_more_seconds() -> None:
    """Once a prompt was sent, a call that shares it is predicted to be cheaper here."""
    state = runtime()
    before = make_call(9, spec=call_spec(9, blocks=chain(1, 100)))
    seconds = state.service_seconds(before)
    held(state, 1)
    assert state.cached_tokens(before) == 0, "it is only held"
    send(state)
    assert state.cached_tokens(before) == 96
    assert seconds - state.service_seconds(before) == pytest.approx(
        96 * state.latency.prefill_seconds_per_token
    )


def test_the_predicted_pass_is_that_of_what_was_sent() -> None:
    """Of prompts as much as one pass takes, nothing of held calls, and a step of all that decode."""
    state = RuntimeState(
        "r0",
        max_total_tokens=10_000,
        max_running_requests=8,
        window_tokens=1000,
        speed=Speed(prefill=0.01, decode=0.1, call=0.02),
        chunks=Chunks(tokens=256),
    )
    assert state.pass_seconds() == 0.0
    calls = [held(state, sequence, tokens=tokens) for sequence, tokens in [(1, 100), (2, 500), (3, 900)]]
    assert state.pass_seconds() == 0.0
    assert send(state) == [1, 2]
    assert state.pass_seconds() == pytest.approx(256 * 0.01), "100 tokens of one prompt, 156 of the other"
    context = 0.0
    for call in calls[:2]:
        state.first_token(call, 0, 1.0)
        advance(call, State.RUNNING, 1.0)
        context += call.prompt_tokens + call.expected_output_tokens
    assert state.pass_seconds() == pytest.approx(state.latency.step_seconds(2, context))
