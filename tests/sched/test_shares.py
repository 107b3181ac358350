"""Tenants are sent by their weights; one alone, in exactly the order without shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from launch.shipped import ordering_registry, placement_registry
from sched import shares
from sched.decisions import Dispatch
from sched.dispatcher import Dispatcher
from sched.limits import CoreLimits
from sched.order import queue_position
from sched.sim.batching import SimRuntimeConfig
from sched.sim.hardware import parse_cluster
from sched.sim.simulator import Simulator
from sched.tenants import Tenant
from sched.traces.arrivals import draw
from sched.traces.trace_format import read_trace
from tests.factories import SimpleCluster

FORMULA1 = Path(__file__).parents[2] / "traces" / "hexgen_flow_formula1.jsonl"


def cluster(ordering: str = "fair", tenants: Sequence[Tenant] = (), window_tokens: int = 1) -> SimpleCluster:
    """Return a cluster of one runtime, which is sent a call at a time."""
    placement, order = placement_registry().load("least_work"), ordering_registry().load(ordering)
    limits = CoreLimits(window_tokens=window_tokens)
    return SimpleCluster(Dispatcher(placement, order, limits, tenants=tenants), ["r0"])


def ask(made: SimpleCluster, tenant: str, first: int, calls: int) -> None:
    """Let a tenant's workflow and so many calls of it arrive."""
    made.workflow(f"{tenant}{first}", tenant=tenant, slo_seconds=1e6)
    for call_id in range(first, first + calls):
        made.call(call_id, workflow_id=f"{tenant}{first}")


def serve(made: SimpleCluster, calls: int) -> list[str]:
    """End so many calls, one after the other; return whose they were."""
    served = []
    for _ in range(calls):
        (call_id,) = made.sent
        served.append(made.dispatcher.book.calls[call_id].workflow.spec.tenant)
        made.first_token(call_id)
        made.finish(call_id)
    return served


@pytest.mark.parametrize("ordering", ["fair", "vtc"])
def test_calls_of_greedy_tenants_are_sent_by_weight(ordering: str) -> None:
    """1 : 2 : 4, though the first asked before the others and for as much."""
    made = cluster(ordering, [Tenant("a", 1), Tenant("b", 2), Tenant("c", 4)])
    for first, tenant in ((0, "a"), (100, "b"), (200, "c")):
        ask(made, tenant, first, 100)
    served = Counter(serve(made, 71))
    assert abs(served["a"] - 10) <= 1
    assert abs(served["b"] - 20) <= 1
    assert abs(served["c"] - 40) <= 1


def test_a_newcomer_goes_before_a_flood_and_saves_nothing_up() -> None:
    """It starts level with those that wait, so that it takes turns and doesn't catch up."""
    made = cluster()
    ask(made, "flood", 0, 100)
    assert set(serve(made, 30)) == {"flood"}, "idle shares are lent"
    ask(made, "late", 200, 20)
    assert abs(Counter(serve(made, 21))["late"] - 10) <= 1


def test_an_urgent_call_goes_first_by_no_more_than_the_advance() -> None:
    """A tenant whose workflow is about to miss its deadline is put forward, and takes turns from then on."""
    made = cluster("fair?advance=0.001&soon=100")
    ask(made, "calm", 0, 20)
    made.workflow("u", tenant="urgent", slo_seconds=50.0)
    for call_id in range(100, 120):
        made.call(call_id, workflow_id="u")
    assert serve(made, 2)[1] == "urgent"
    assert abs(Counter(serve(made, 10))["urgent"] - 5) <= 1


def test_what_was_sent_before_is_not_overtaken_inside_the_runtime() -> None:
    """A flood's older calls that are sent after another tenant's get keys behind it."""
    made = cluster(window_tokens=250)
    made.workflow("old", tenant="flood")
    made.now = 5.0
    made.workflow("new", tenant="light")
    for call_id in range(4):
        made.call(call_id, workflow_id="old")
    made.call(10, workflow_id="new")
    for call_id in (0, 1, 2):
        made.first_token(call_id)
    places = {i: queue_position(d.key, d.sequence) for i, d in made.sent.items() if i > 2}
    assert sorted(places, key=places.__getitem__) == [10, 3]


def test_shares_are_bounded_and_nothing_is_kept_of_calls_that_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More tenants than have shares of their own are served from a common one."""
    monkeypatch.setattr(shares, "MOST_TENANTS", 3)
    made = cluster()
    for number in range(10):
        ask(made, f"t{number}", 10 * number, 2)
    kept = made.dispatcher._shares
    assert kept is not None
    assert set(kept._shares) == {"t0", "t1", "t2", shares.OTHER}
    assert len(serve(made, 18)) == 18
    made.cancel(next(iter(made.sent)))
    made.drain()
    assert not kept._calls
    assert not kept._charged
    assert all(share.open == share.held == 0 for share in kept._shares.values())


def test_a_lost_runtimes_calls_are_held_again() -> None:
    """Sent and held ones are counted once, wherever they are."""
    made = cluster()
    made.up("r1")
    ask(made, "a", 0, 6)
    ask(made, "b", 10, 6)
    made.lose("r0")
    kept = made.dispatcher._shares
    assert kept is not None
    assert sum(share.open for share in kept._shares.values()) == 12
    assert sum(share.held for share in kept._shares.values()) == 12 - len(made.sent)
    made.drain()
    assert not kept._calls


def test_a_weight_is_above_0() -> None:
    """A mistake is told with the tenant's name."""
    with pytest.raises(ValueError, match="weight of tenant 'a' must be above 0"):
        cluster(tenants=[Tenant("a", 0.0)])


@pytest.mark.parametrize(("shared", "plain"), [("fair", "adaptive"), ("vtc", "fcfs")])
def test_with_one_tenant_every_decision_is_that_of_the_plain_order(shared: str, plain: str) -> None:
    """To the bit: runtimes, keys, sequences and reasons, under overload."""

    def decisions(ordering: str) -> list[str]:
        simulator = Simulator(
            parse_cluster("a100,a6000"),
            SimRuntimeConfig(name="mixed2048", max_running_requests=4),
            placement_registry().load("sluice"),
            ordering_registry().load(ordering),
        )
        handle, told = simulator.dispatcher.handle, list[str]()

        def note(event: object, now: float) -> object:
            made = handle(event, now)  # type: ignore[arg-type]
            told.extend(repr((now, d)).replace(shared, plain) for d in made if isinstance(d, Dispatch))
            return made

        simulator.dispatcher.handle = note  # type: ignore[assignment, method-assign]
        simulator.run(draw(read_trace(FORMULA1), 25, 1.0, "poisson", 0))
        return told

    assert decisions(shared) == decisions(plain)
