"""In which order each ordering policy lets calls go."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plugins.ordering.fcfs import Fcfs
from plugins.ordering.urgency import Urgency
from sched.order import queue_position
from sched.request import Call
from sched.workflow import PlanStep
from tests.factories import RuntimeStub, SimpleCluster, call_spec, make_call, make_dispatcher, placed

# One prompt token takes a second here: the formula below is exact in whole seconds.
_WHOLE = RuntimeStub(prefill=1.0, decode=0.0)
_waiting = st.tuples(st.integers(0, 100), st.integers(-100, 500), st.integers(1, 300))


def whole(sequence: int = 1, **changes: Any) -> Call:
    """Return a call placed on ``_WHOLE``."""
    return placed(make_call(sequence, **changes), _WHOLE)


@given(queue=st.lists(_waiting, min_size=2, max_size=8), wait=st.integers(0, 1000))
def test_urgency_is_the_published_one(queue: list[tuple[int, int, int]], wait: int) -> None:
    """At any later time its order is that of t_est − (stage budget − time waited), largest first."""
    calls = [
        whole(n, spec=call_spec(n, prompt_tokens=t_est), ready_at=ready, stage_deadline=ready + budget)
        for n, (ready, budget, t_est) in enumerate(queue)
    ]
    now = max(ready for ready, _, _ in queue) + wait
    by_key = sorted(calls, key=lambda c: queue_position(Urgency().key(c, c.ready_at), c.sequence))
    published = [t_est - (budget - (now - ready)) for ready, budget, t_est in queue]
    assert [c.sequence for c in by_key] == sorted(range(len(queue)), key=lambda n: (-published[n], n))


def test_urgency_prefers_less_room() -> None:
    """A longer call of equal budget goes first, and a tighter deadline before a looser one."""
    long, short = (whole(n, spec=call_spec(n, prompt_tokens=t)) for n, t in [(2, 300), (1, 10)])
    assert Urgency().key(long, 0.0) < Urgency().key(short, 0.0)
    tight, loose = whole(2, stage_deadline=10.0), whole(1, stage_deadline=20.0)
    assert Urgency().key(tight, 0.0) < Urgency().key(loose, 0.0)


def test_a_cached_prefix_leaves_more_room() -> None:
    """What the runtime has cached needs no time, so the call can wait longer there."""
    warm = placed(make_call(), RuntimeStub(prefill=1.0, decode=0.0, cached=60))
    assert Urgency().key(warm, 0.0) > Urgency().key(whole(), 0.0)


def test_fcfs_goes_by_readiness() -> None:
    """The earlier one is first whatever its deadline, and simultaneous ones go by sequence."""
    early, late = (
        whole(2, ready_at=1.0, stage_deadline=99.0),
        whole(1, ready_at=2.0, stage_deadline=3.0),
    )
    assert Fcfs().key(early, 5.0) == 1.0 < Fcfs().key(late, 5.0)


def _order(ordering: str) -> list[int]:
    """Return the order in which one busy runtime takes a relaxed and then a pressed workflow's call."""
    cluster = SimpleCluster(make_dispatcher(ordering=ordering, window_tokens=100), ["r0"])
    for workflow_id, slo in [("busy", 500.0), ("relaxed", 500.0), ("pressed", 5.0)]:
        cluster.workflow(workflow_id, slo_seconds=slo, plan=(PlanStep("s", 1),))
        cluster.call(len(cluster.dispatcher.book.calls), workflow_id=workflow_id)
        cluster.now += 1.0
    order = []
    while cluster.sent:
        (call_id,) = cluster.sent
        order.append(call_id)
        cluster.finish(call_id)
    return order


def test_a_pressed_workflow_overtakes_only_under_urgency() -> None:
    """A later call with little time left goes before an earlier relaxed one; with fcfs it doesn't."""
    assert _order("urgency") == [0, 2, 1]
    assert _order("fcfs") == [0, 1, 2]
