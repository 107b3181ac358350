"""What is expected of workflows at their arrival: slowdown, seconds to the end, when others will leave."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sched.predict.sojourn import MOST_KINDS, Crowd, Sojourns, drain_seconds
from sched.request import State, Workflow, advance
from sched.runtime import RuntimeState
from tests.factories import call_spec, chain, make_call, workflow_spec


def workflow(workflow_id: str = "w", *, arrival: float = 0.0, slo: float = 100.0, **spec: Any) -> Workflow:
    told = workflow_spec(workflow_id, slo_seconds=slo, **spec)
    return Workflow(told, arrival, arrival + slo, (), arrival)


def runtime(calls: int) -> RuntimeState:
    """Return a runtime with ``calls`` placed on it."""
    state = RuntimeState("r", max_total_tokens=10**6, max_running_requests=64, window_tokens=10**6)
    for sequence in range(calls):
        call = make_call(sequence, spec=call_spec(sequence, blocks=chain(sequence, 100)))
        advance(call, State.WAITING, 0.0)
        call.runtime = state.name
        state.hold(call)
    return state


def learnt(*ends: tuple[float, float], **spec: Any) -> Sojourns:
    """Return what is known after workflows that ended: (SLO, seconds) of each."""
    sojourns = Sojourns()
    for slo, seconds in ends:
        sojourns.ended(workflow(slo=slo, **spec), seconds)
    return sojourns


def expected(sojourns: Sojourns, slo: float = 100.0, **spec: Any) -> float | None:
    new = workflow(slo=slo, **spec)
    sojourns.opened(new, 0, [runtime(0)], 0.0)
    return new.expected_seconds


def test_an_idle_cluster_slows_nothing_down() -> None:
    """Without calls, or without runtimes, the slowdown is 1."""
    assert Crowd().slowdown(5, [runtime(0)], 0.0) == 1.0
    assert Crowd().slowdown(5, [], 0.0) == 1.0


def test_the_slowdown_is_that_of_the_batch_with_one_more() -> None:
    """Ten calls of ten workflows: a step of eleven calls, over that of a lone one."""
    state = runtime(10)
    step = state.latency.step_seconds(11.0, 1.1 * state.load.waiting_context)
    slowdown = Crowd().slowdown(10, [state], 0.0)
    assert slowdown == pytest.approx(step / state.lone_decode_seconds)
    assert slowdown > 1


def test_workflows_that_have_just_begun_count_as_the_others_do() -> None:
    """Where open workflows have four calls in the mean, ten with one each will be as slow as forty calls."""
    crowd = Crowd()
    for _ in range(200):
        crowd.slowdown(5, [runtime(20)], 0.0)
    ahead = crowd.slowdown(10, [runtime(10)], 0.0)
    assert ahead == pytest.approx(Crowd().slowdown(40, [runtime(40)], 0.0), rel=0.15)
    assert ahead > Crowd().slowdown(10, [runtime(10)], 0.0)


def test_nothing_is_expected_before_three_have_ended() -> None:
    """Of a kind that is unknown, or hardly known, nothing is said."""
    assert expected(learnt((100.0, 10.0), (100.0, 10.0))) is None
    assert expected(learnt(*[(100.0, 10.0)] * 3)) == pytest.approx(10.0)
    assert expected(learnt(*[(100.0, 10.0)] * 3), kind="other") is None


def test_defaults_teach_nothing() -> None:
    """A deadline that the client didn't give says nothing about lengths."""
    assert expected(learnt(*[(100.0, 10.0)] * 9, firm=False)) is None


def test_the_slowdown_of_then_is_taken_out_and_that_of_now_put_in() -> None:
    """Workflows that took 30 s at a slowdown of 3 will take 20 s at one of 2."""
    sojourns = Sojourns()
    for _ in range(3):
        old = workflow()
        old.slowdown = 3.0
        sojourns.ended(old, 30.0)
    crowd, busy = runtime(8), workflow()
    sojourns.opened(busy, 8, [crowd], 0.0)
    assert busy.slowdown > 1
    assert busy.expected_seconds == pytest.approx(10.0 * busy.slowdown)


def test_deadlines_that_follow_lengths_tell_them() -> None:
    """Where twice the time means twice the work, a new SLO tells its workflow's length."""
    sojourns = learnt(*[(slo, slo / 4) for slo in (20.0, 50.0, 100.0, 200.0, 800.0)])
    assert expected(sojourns, 400.0) == pytest.approx(100.0, rel=0.05)


def test_deadlines_that_have_nothing_to_do_with_lengths_tell_nothing() -> None:
    """Patient and impatient clients with the same work: the expected time is nearly the same, where a hundred
    times as much would have been expected from the deadlines alone."""
    sojourns = learnt(*[(slo, seconds) for slo in (10.0, 1000.0) for seconds in (8.0, 12.0)] * 50)
    patient, impatient = expected(sojourns, 1000.0), expected(sojourns, 10.0)
    assert patient is not None
    assert impatient is not None
    assert patient == pytest.approx(impatient, rel=0.25)
    assert impatient == pytest.approx(math.sqrt(8 * 12), rel=0.15)


def test_an_unusually_loose_deadline_does_not_mean_a_long_workflow() -> None:
    """Nor is a tight one taken for hopeless before it was tried."""
    sojourns = learnt(*[(20.0, 10.0)] * 9)
    assert expected(sojourns, 50_000.0) == pytest.approx(10.0)
    assert expected(sojourns, 2.0) == pytest.approx(1.0)


def test_what_is_known_is_bounded() -> None:
    """A client may make up kinds: the one longest unused is forgotten."""
    sojourns = learnt(*[(100.0, 10.0)] * 3, kind="first")
    for number in range(MOST_KINDS):
        sojourns.ended(workflow(kind=f"kind {number}"), 10.0)
    assert expected(sojourns, kind="first") is None


@pytest.mark.parametrize(
    ("excess", "seconds"), [(0.0, 5.0), (0.25, 5.0), (0.26, 15.0), (0.5, 15.0), (1.0, 35.0)]
)
def test_a_share_of_the_open_workflows_drains(excess: float, seconds: float) -> None:
    """In the order of their expected ends, at least one."""
    flows = [workflow(str(i), arrival=0.0) for i in range(4)]
    for flow, end in zip(flows, (35.0, 5.0, 25.0, 15.0), strict=True):
        flow.expected_seconds = end
    assert drain_seconds(flows, excess, 0.0) == seconds
    assert drain_seconds(flows, excess, 40.0) == 0.0, "they are overdue"


def test_nothing_drains_from_an_empty_server() -> None:
    """And of a kind that nothing was learned of, its time alone is what is expected."""
    assert drain_seconds([], 0.5, 0.0) == 0.0
    unknown = workflow()
    unknown.base_seconds, unknown.slowdown = 8.0, 2.0
    assert drain_seconds([unknown], 0.5, 4.0) == 12.0
