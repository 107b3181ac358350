"""A client's priority goes before every policy's key; a flush makes the core forget a runtime's cache."""

from __future__ import annotations

import pytest

from sched import events as ev
from sched.decisions import Dispatch
from tests.factories import SimpleCluster, StageKeyOrdering, chain, make_dispatcher


def order(cluster: SimpleCluster, calls: int) -> list[int]:
    """Return the calls in the order in which they are sent, each after the end of the one before."""
    sent = []
    for _ in range(calls):
        (current,) = cluster.sent
        sent.append(current)
        cluster.first_token(current)
        cluster.finish(current)
    return sent


def full(ordering: str | StageKeyOrdering = "fcfs") -> SimpleCluster:
    """Return a cluster whose one runtime takes a call at a time, and has one."""
    cluster = SimpleCluster(make_dispatcher(ordering=ordering, window_tokens=1), ["r0"])
    cluster.workflow()
    cluster.call(0)
    return cluster


def test_the_larger_priority_goes_first_and_equals_in_order_of_arrival() -> None:
    """Under first come first served, too; a negative one goes last."""
    cluster = full()
    for call_id, priority in enumerate([0, -5, 3, 0, 3], start=1):
        cluster.call(call_id, priority=priority)
    assert order(cluster, 6) == [0, 3, 5, 1, 4, 2]


def test_priority_goes_before_the_policys_key() -> None:
    """A relaxed call with priority is sent before a pressing one without."""
    cluster = full(StageKeyOrdering())
    cluster.call(1, stage="1")
    cluster.call(2, stage="9", priority=1)
    cluster.call(3, stage="5", priority=1)
    assert order(cluster, 4) == [0, 3, 2, 1]


def test_the_decision_carries_the_priority() -> None:
    """It travels to the runtime, whose queue is sorted alike, and into the record."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    (dispatch,) = cluster.call(1, priority=4)
    assert isinstance(dispatch, Dispatch)
    assert (dispatch.priority, dispatch.record.priority) == (4, 4)


@pytest.mark.parametrize("flushed", ["r0", "unknown"])
def test_a_flush_forgets_what_the_runtime_caches(flushed: str) -> None:
    """Of that runtime only, and no other's name is an error."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    cluster.call(1, prompt_tokens=200, blocks=chain(1, 200))
    cluster.first_token(1)
    cluster.finish(1)
    cluster.feed(ev.CacheFlushed(flushed))
    (dispatch,) = cluster.call(2, prompt_tokens=200, blocks=chain(1, 200))
    assert isinstance(dispatch, Dispatch)
    assert (dispatch.record.predicted_cached_tokens == 0) is (flushed == "r0")
