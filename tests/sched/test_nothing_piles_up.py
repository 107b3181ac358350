"""What is over leaves nothing behind in the core, long before its time limit."""

from __future__ import annotations

from sched import events as ev
from tests.factories import SimpleCluster, make_dispatcher

ROUNDS = 1_000


def test_time_limits_of_calls_that_are_over_are_dropped() -> None:
    """Thousands of calls an hour before the first limit would run out."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    for call in range(ROUNDS):
        cluster.call(call, timeout_seconds=3600.0)
        cluster.finish(call)
        cluster.log.clear()
    assert len(cluster.dispatcher.book._expiries) < ROUNDS / 3
    cluster.call(ROUNDS, timeout_seconds=10.0)
    (settled,) = [
        d for d in cluster.tick(11.0) if getattr(d, "call_id", None) == ROUNDS and hasattr(d, "failure")
    ]
    assert settled.failure is not None
    assert settled.failure.code == "timeout"


def test_calls_given_up_while_held_leave_the_queue() -> None:
    """A runtime whose window stays full, and clients that come and go."""
    cluster = SimpleCluster(make_dispatcher(window_tokens=100), ["r0"])
    cluster.workflow()
    cluster.call(0)
    for call in range(1, ROUNDS):
        cluster.call(call)
        cluster.cancel(call)
        cluster.log.clear()
    assert len(cluster.dispatcher.runtimes["r0"].window.held) < ROUNDS / 3
    cluster.call(ROUNDS)
    cluster.feed(ev.CallCancelled(0, "over"))
    assert set(cluster.sent) == {ROUNDS}
