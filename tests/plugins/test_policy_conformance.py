"""What every policy must do: one suite over all that are registered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.shipped import admission_registry, ordering_registry, placement_registry
from sched.order import queue_position
from sched.policy import FollowingPolicy, OrderingPolicy, PlacementPolicy, RekeyReason, SharingPolicy
from sched.request import Call, Join
from sched.views import Pace
from tests.factories import LoadStub, RuntimeStub, call_spec, chain, make_call, workflow_spec

T = TypeVar("T")

_ms = st.integers(0, 10**6).map(lambda n: n / 1000)

# Every shipped policy, and those with parameters also at their ends.
placements = pytest.mark.parametrize(
    "name",
    [
        *placement_registry().names(),
        "random?seed=1",
        "power_of_two?seed=1",
        "cache_aware?cache_threshold=0&balance_abs=0&balance_rel=1",
        "hexgen_flow?alpha=0",
        "hexgen_flow?alpha=0.3",
        "hexgen_flow?alpha=1",
        "sluice?power=1&popular=1",
        "sluice?harm=0&slo=0&stall=0&popular=0&siblings=0&share_tokens=0",
        "sluice?slo=1&siblings=1",
    ],
)
orderings = pytest.mark.parametrize(
    "name", [*ordering_registry().names(), "adaptive?share=0", "adaptive?share=1"]
)
admissions = pytest.mark.parametrize(
    "name", [*admission_registry().names(), "slo_aware?degrade=0.1&refuse=0.1", "slo_aware?refuse=100"]
)


@st.composite
def calls(draw: st.DrawFn, sequence: st.SearchStrategy[int] = st.integers(0, 10**6)) -> Call:  # noqa: B008
    """Draw a call as a policy may meet it: on time or late, alone or in a join."""
    spec = call_spec(
        draw(sequence),
        stage=draw(st.sampled_from(["revise", "mine"])),
        prompt_tokens=draw(st.integers(1, 20_000)),
        blocks=chain(draw(st.integers(0, 3)), 320),
        join_id=draw(st.sampled_from([None, "j"])),
    )
    workflow = workflow_spec(slo_seconds=draw(_ms), database=draw(st.sampled_from([None, "shop"])))
    workflow = replace(workflow, firm=draw(st.booleans()))
    ready_at = draw(_ms)
    call = make_call(
        spec.call_id,
        spec=spec,
        workflow=workflow,
        ready_at=ready_at,
        expected_output_tokens=draw(st.integers(0, 1000)),
        stage_deadline=ready_at + draw(st.integers(-1000, 1000)),
    )
    call.rest_seconds, call.lone_rest_seconds, call.lone_seconds = draw(_ms), draw(_ms), draw(_ms)
    call.predicted_seconds = draw(_ms)
    call.predicted_cached_tokens = draw(st.integers(0, spec.prompt_tokens - 1))
    call.popular_tokens = draw(st.integers(0, 20_000))
    call.pace = Pace(draw(_ms), draw(st.floats(0, 100)))
    call.workflow.base_seconds, call.workflow.served_seconds = draw(_ms), draw(_ms)
    call.workflow.slowdown = draw(st.floats(1, 20))
    call.workflow.expected_seconds = draw(st.none() | _ms)
    call.workflow.joins["j"] = Join(draw(st.integers(1, 4)), expected_end=draw(_ms))
    return call


def _stub(name: str) -> st.SearchStrategy[RuntimeStub]:
    return st.builds(
        RuntimeStub,
        name=st.just(name),
        outstanding_calls=st.integers(0, 50),
        outstanding_seconds=_ms,
        prefill=st.floats(1e-6, 1e-2),
        decode=st.floats(1e-5, 1.0),
        cached=st.integers(0, 20_000),
        coming=st.integers(0, 20_000),
        stalled=st.floats(0, 1),
        lone_outstanding_seconds=_ms,
        load=_loads,
    )


_loads = st.builds(
    LoadStub,
    running=st.integers(0, 100),
    waiting=st.integers(0, 100),
    running_context=st.floats(0, 1e6),
    waiting_context=st.floats(0, 1e6),
    backlog=st.integers(0, 10**6),
    private=st.floats(0, 1e6),
)


def clusters(size: int) -> st.SearchStrategy[list[RuntimeStub]]:
    """Return a strategy of ``size`` unlike runtimes."""
    return st.tuples(*(_stub(f"r{i}") for i in range(size))).map(list)


any_cluster = st.sampled_from([1, 2, 8]).flatmap(clusters)


def untouched(inputs: object, decide: Callable[[], T]) -> T:
    """Return what ``decide`` returns, having seen that ``inputs`` are as before."""
    before = repr(inputs)
    result = decide()
    assert repr(inputs) == before, "the policy changed what it may only read"
    return result


@placements
@given(call=calls(), other=calls(), cluster=any_cluster, others=any_cluster, now=_ms)
def test_a_placement_depends_on_its_inputs_alone(
    name: str, call: Call, other: Call, cluster: list[RuntimeStub], others: list[RuntimeStub], now: float
) -> None:
    """Asked again, by another instance or after other calls, a policy gives the same answer."""
    policy: PlacementPolicy = placement_registry().load(name)
    first = untouched((call, cluster), lambda: policy.place(call, cluster, now))
    policy.place(other, others, now + 1.0)
    assert policy.place(call, cluster, now) == first
    assert placement_registry().load(name).place(call, tuple(cluster), now) == first


@placements
@pytest.mark.parametrize("size", [1, 8])
@given(data=st.data(), call=calls(), now=_ms)
def test_a_placement_is_one_of_the_runtimes(
    name: str, size: int, data: st.DataObject, call: Call, now: float
) -> None:
    """With one runtime or many, the choice is one of them, explained, and best by its own scores."""
    cluster = data.draw(clusters(size))
    placement = placement_registry().load(name).place(call, cluster, now)
    names = {r.name for r in cluster}
    assert placement.runtime in names
    assert placement.reason
    if placement.scores:
        assert set(placement.scores) == names
        assert all(math.isfinite(score) for score in placement.scores.values())
        assert placement.scores[placement.runtime] == min(placement.scores.values())


@orderings
@given(call=calls(), other=calls(), now=_ms)
def test_a_key_depends_on_its_inputs_alone(name: str, call: Call, other: Call, now: float) -> None:
    """A key is finite and the same when asked again, by another instance or after other calls."""
    policy: OrderingPolicy = ordering_registry().load(name)
    first = untouched(call, lambda: policy.key(call, now))
    assert math.isfinite(first)
    policy.key(other, now + 1.0)
    assert policy.key(call, now) == first
    assert ordering_registry().load(name).key(call, now) == first


@orderings
@given(data=st.data(), size=st.integers(1, 8))
def test_an_order_is_total(name: str, data: st.DataObject, size: int) -> None:
    """However calls come in they leave in one order; equal keys leave by sequence."""
    policy = ordering_registry().load(name)
    waiting = [data.draw(calls(st.just(sequence))) for sequence in range(size)]
    model = data.draw(st.sampled_from(waiting))
    twin = make_call(size, spec=model.spec, ready_at=model.ready_at, stage_deadline=model.stage_deadline)
    twin.workflow, twin.rest_seconds = model.workflow, model.rest_seconds
    twin.expected_output_tokens = model.expected_output_tokens
    twin.lone_seconds, twin.lone_rest_seconds = model.lone_seconds, model.lone_rest_seconds
    twin.predicted_seconds = model.predicted_seconds
    twin.predicted_cached_tokens = model.predicted_cached_tokens
    waiting.append(twin)

    def order(of: list[Call]) -> list[int]:
        return [c.sequence for c in sorted(of, key=lambda c: queue_position(policy.key(c, 0.0), c.sequence))]

    expected = order(waiting)
    assert order(data.draw(st.permutations(waiting))) == expected
    assert expected.index(model.sequence) < expected.index(twin.sequence), "equal keys go by sequence"


@orderings
@given(call=calls(), now=_ms, seconds=st.integers(1, 1000), left=st.integers(1, 4))
def test_an_order_follows_what_its_keys_depend_on(
    name: str, call: Call, now: float, seconds: int, left: int
) -> None:
    """A policy whose key another deadline or a sibling's end would change says so, and is asked again."""
    policy = ordering_registry().load(name)
    follows = policy.follows if isinstance(policy, FollowingPolicy) else frozenset()
    before = policy.key(call, now)
    call.workflow.joins["j"] = Join(left)
    assert policy.key(call, now) == before or RekeyReason.SIBLINGS in follows
    before = policy.key(call, now)
    call.workflow.deadline += seconds
    call.stage_deadline += seconds
    assert policy.key(call, now) == before or RekeyReason.DEADLINE in follows


@orderings
@given(queue=st.lists(calls(), min_size=2, max_size=6), now=_ms, wait=st.integers(0, 10**6))
def test_an_order_outlasts_waiting(name: str, queue: list[Call], now: float, wait: int) -> None:
    """A key is computed once, so the order at any later time must be the one it gave."""
    policy = ordering_registry().load(name)
    early, late = ([policy.key(c, at) for c in queue] for at in (now, now + wait))
    assert sorted(range(len(queue)), key=early.__getitem__) == sorted(range(len(queue)), key=late.__getitem__)


@pytest.mark.parametrize("name", ["fair", "fair?advance=0&soon=0", "vtc"])
@given(call=calls(), runtime=_stub("r0"), virtual=_ms, ahead=_ms, now=_ms, output=st.integers(0, 4096))
def test_a_share_costs_what_is_served_and_goes_by_it(
    name: str, call: Call, runtime: RuntimeStub, virtual: float, ahead: float, now: float, output: int
) -> None:
    """Costs are finite and never negative, more output never costs less, and of two tenants with the same
    call the one that is ahead is never put first."""
    policy = ordering_registry().load(name)
    assert isinstance(policy, SharingPolicy)
    prompt, uncached = call.prompt_tokens, call.prompt_tokens - call.predicted_cached_tokens
    costs = [policy.cost(runtime, prompt, uncached, tokens) for tokens in (output, output + 1)]
    assert 0 <= costs[0] <= costs[1] < math.inf
    turn = untouched(call, lambda: policy.turn(call, virtual, now))
    assert turn <= policy.turn(call, virtual + ahead, now) < math.inf


@admissions
@given(
    call=calls(),
    cluster=st.sampled_from([0, 1, 4]).flatmap(clusters),
    now=_ms,
    wanted=st.integers(1, 8),
)
def test_an_admission_depends_on_its_inputs_alone(
    name: str, call: Call, cluster: list[RuntimeStub], now: float, wanted: int
) -> None:
    """Asked again or by another instance it says the same; a refusal is explained and names a time to come
    again; of the candidates wanted at least one is advised, and all while no runtime is up."""
    policy = admission_registry().load(name)
    workflow = call.workflow
    first = untouched((workflow, cluster), lambda: policy.admit(workflow, cluster, now))
    advised = untouched((workflow, cluster), lambda: policy.candidates(workflow, wanted, cluster, now))
    assert 1 <= advised <= wanted
    assert first.admitted or (first.reason and (first.retry_after or 0 < first.excess <= 1))
    again = admission_registry().load(name)
    assert again.admit(workflow, cluster, now) == first
    assert again.candidates(workflow, wanted, cluster, now) == advised
    if not cluster:
        assert (first.admitted, advised) == (True, wanted), "nothing is known without a runtime"
