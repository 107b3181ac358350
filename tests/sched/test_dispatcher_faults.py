"""The dispatcher when things go wrong: losses, failures, time limits, overload, bad policies."""

from __future__ import annotations

from typing import Any

import pytest

from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Decision, Dispatch, Joined, WorkflowSettled
from sched.errors import Failure
from sched.request import State
from tests.factories import FaultyPlacement, SimpleCluster, StageKeyOrdering, make_dispatcher


def cluster_of(*runtimes: str, **limits: Any) -> SimpleCluster:
    """Return a cluster with one open workflow."""
    cluster = SimpleCluster(make_dispatcher(**limits), runtimes)
    cluster.workflow()
    return cluster


def settlement(decisions: list[Decision]) -> CallSettled:
    """Return the only settlement among ``decisions``."""
    (found,) = [d for d in decisions if isinstance(d, CallSettled)]
    return found


def test_a_lost_runtime_hands_its_calls_on() -> None:
    """Sent and held calls of a lost runtime go to another one; only sending counts as an attempt."""
    cluster = cluster_of("r0", window_tokens=100)
    cluster.call(1)
    cluster.call(2)
    cluster.up("r1")
    assert set(cluster.sent) == {1}
    cluster.lose("r0")
    assert (cluster.sent[1].runtime, cluster.sent[1].attempt) == ("r1", 2)
    cluster.finish(1)
    assert (cluster.sent[2].runtime, cluster.sent[2].attempt) == ("r1", 1)


def test_runtimes_lost_together_hand_nothing_to_each_other() -> None:
    """Their calls go straight to the one that is left, in the second attempt."""
    cluster = SimpleCluster(make_dispatcher(), ["r0", "r1", "r2"])
    cluster.workflow()
    for call in range(1, 7):
        cluster.call(call)
    theirs = {call for call, sent in cluster.sent.items() if sent.runtime != "r2"}
    assert len({cluster.sent[call].runtime for call in theirs}) == 2
    decisions = cluster.feed(ev.RuntimeLost("r0", "no heartbeat", ["r1"]))
    again = {d.call_id: (d.runtime, d.attempt) for d in decisions if isinstance(d, Dispatch)}
    assert again == dict.fromkeys(theirs, ("r2", 2))
    assert list(cluster.dispatcher.runtimes) == ["r2"]


def test_a_retry_avoids_every_runtime_that_failed() -> None:
    """Each retry takes a runtime that was not tried, even if one that failed is idle."""
    cluster = cluster_of("r0", "r1", "r2", max_attempts=3)
    for call_id in (10, 11, 12):
        cluster.call(call_id)
    cluster.cancel(10)
    cluster.call(1)
    tried = [cluster.sent[1].runtime]
    for _ in range(2):
        cluster.fail(1)
        tried.append(cluster.sent[1].runtime)
    assert tried == ["r0", "r1", "r2"]
    end = settlement(cluster.fail(1))
    assert (end.state, end.failure) == (State.FAILED, Failure("runtime_failure", "out of memory"))


def test_the_only_runtime_is_tried_again() -> None:
    """With one runtime a retry goes back to it, up to the limit of attempts."""
    cluster = cluster_of("r0", max_attempts=2)
    cluster.call(1)
    (retry,) = cluster.fail(1)
    assert isinstance(retry, Dispatch)
    assert (retry.runtime, retry.attempt) == ("r0", 2)
    assert settlement(cluster.fail(1)).state is State.FAILED


def test_a_failure_that_no_other_runtime_cures_is_final() -> None:
    """A failure marked as not retryable settles the call at the first attempt."""
    cluster = cluster_of("r0", "r1")
    cluster.call(1)
    assert settlement(cluster.fail(1, retryable=False)).state is State.FAILED


@pytest.mark.parametrize(("stream", "retried"), [(True, False), (False, True)])
def test_a_stream_that_was_seen_is_not_begun_again(stream: bool, retried: bool) -> None:
    """After its first token a streamed call fails with its runtime, any other call is tried again."""
    cluster = cluster_of("r0")
    cluster.call(1, stream=stream)
    cluster.up("r1")
    cluster.first_token(1)
    decisions = cluster.lose("r0")
    assert (1 in cluster.sent) is retried
    if not retried:
        failure = settlement(decisions).failure
        assert failure is not None
        assert failure.code == "runtime_failure"
        assert "r0" in failure.message


def test_losing_an_unknown_runtime_is_no_news() -> None:
    """A second loss of one runtime changes nothing."""
    cluster = cluster_of("r0")
    cluster.lose("r0")
    assert cluster.lose("r0") == []


def test_late_reports_are_ignored() -> None:
    """What an earlier attempt or a settled call reports changes nothing."""
    cluster = cluster_of("r0", "r1")
    cluster.call(1)
    cluster.lose(cluster.sent[1].runtime)
    assert cluster.sent[1].attempt == 2
    late: list[ev.Event] = [
        ev.FirstTokenReported(1, 1, 0),
        ev.CallFinished(1, 1, 0, 5, 0.1, 0.2),
        ev.CallFailed(1, 1, Failure("runtime_failure", "late"), retryable=True),
    ]
    for event in late:
        assert cluster.feed(event) == []
    assert cluster.finish(1) == [CallSettled(1, "w0", State.FINISHED)]
    assert cluster.feed(ev.CallFinished(1, 2, 0, 5, 0.1, 0.2)) == []
    runtimes = cluster.dispatcher.runtimes.values()
    assert sum(r.latency.observations for r in runtimes) == 1


def test_cancelling_tells_the_runtime_only_if_it_has_the_call() -> None:
    """A held call is just dropped, a sent one aborted on its runtime, an ended one ignored."""
    cluster = cluster_of("r0", window_tokens=100)
    cluster.call(1)
    cluster.call(2)
    cancelled = Failure("cancelled", "not needed")
    assert cluster.cancel(2) == [CallSettled(2, "w0", State.CANCELLED, cancelled)]
    assert cluster.cancel(1) == [AbortCall(1, 1, "r0"), CallSettled(1, "w0", State.CANCELLED, cancelled)]
    assert cluster.cancel(1) == cluster.cancel(99) == []


def test_cancelling_before_any_runtime_is_up() -> None:
    """A call that waits for a first runtime can be cancelled, and isn't sent later."""
    cluster = cluster_of()
    cluster.call(1)
    assert settlement(cluster.cancel(1)).state is State.CANCELLED
    assert cluster.dispatcher.waiting_calls == 0
    assert cluster.up("r0") == []
    assert cluster.dispatcher.runtimes["r0"].outstanding_calls == 0


def test_a_call_over_its_time_is_ended() -> None:
    """A tick ends calls whose time limit ran out since they became ready, sent or not."""
    cluster = cluster_of("r0", window_tokens=100)
    cluster.call(1, timeout_seconds=10.0)
    cluster.call(2, timeout_seconds=10.0)
    cluster.call(3, timeout_seconds=30.0)
    assert cluster.tick(9.9) == []
    decisions = cluster.tick(0.1)
    assert decisions[0] == AbortCall(1, 1, "r0")
    ended = [d for d in decisions if isinstance(d, CallSettled)]
    assert [(d.call_id, d.state) for d in ended] == [(1, State.FAILED), (2, State.FAILED)]
    assert all(d.failure and d.failure.code == "timeout" and "10 s" in d.failure.message for d in ended)
    assert cluster.sent[3].remaining_seconds == 20.0


def test_a_retry_does_not_get_more_time() -> None:
    """The time limit runs from when the call became ready, whatever was tried since."""
    cluster = cluster_of("r0", "r1")
    cluster.call(1, timeout_seconds=10.0)
    cluster.now = 4.0
    cluster.fail(1)
    assert cluster.sent[1].remaining_seconds == 6.0
    cluster.now = 12.0
    cluster.fail(1)
    assert cluster.sent[1].remaining_seconds == 0.0, "no tick has ended it yet"


def test_an_abandoned_workflow_is_ended() -> None:
    """A workflow is ended after its silence, not while it has an open call."""
    cluster = cluster_of("r0", workflow_ttl_seconds=60.0)
    cluster.call(1, timeout_seconds=1000.0)
    assert cluster.tick(100.0) == []
    cluster.finish(1)
    assert cluster.tick(60.0) == []
    (end,) = cluster.tick(0.1)
    assert isinstance(end, WorkflowSettled)
    assert end.state is State.CANCELLED
    assert end.failure is not None
    assert end.failure.code == "timeout"


def test_overload_is_refused_before_queueing() -> None:
    """Above the limit of waiting calls a new one is rejected with a hint; sent calls don't count."""
    cluster = cluster_of("r0", window_tokens=200, max_waiting_calls=2)
    for call_id in (1, 2):
        cluster.call(call_id)
    assert len(cluster.sent) == 2
    for call_id in (3, 4):
        assert cluster.call(call_id) == []
    end = settlement(cluster.call(5, join_id="j", join_size=1, ends_branch=True))
    assert end.state is State.REJECTED
    assert end.failure is not None
    assert (end.failure.code, end.failure.retry_after) == ("overloaded", 1.0)
    assert Joined("w0", "j") in cluster.log[-1][2], "its branch has ended too"
    cluster.finish(1)
    assert cluster.call(6) == []


@pytest.mark.parametrize(
    ("stage", "words"),
    [("raise", "no idea"), ("unknown", "nowhere"), ("nan", "finite"), ("inf", "finite")],
)
def test_a_faulty_policy_costs_only_the_call_it_fails_on(stage: str, words: str) -> None:
    """A policy that raises or answers nonsense fails that call, with the reason; others go on."""
    cluster = SimpleCluster(make_dispatcher(FaultyPlacement(), StageKeyOrdering()))
    cluster.workflow()
    cluster.call(1)
    cluster.call(2, stage=stage)
    cluster.call(3)
    failed = cluster.dispatcher.book.calls[2]
    cluster.now = 7.0
    decisions = cluster.up("r0")
    end = settlement(decisions)
    assert (end.call_id, end.state) == (2, State.FAILED)
    assert end.failure is not None
    assert end.failure.code == "internal_error"
    assert end.failure.message.startswith("the placement or ordering policy failed: ")
    assert words in end.failure.message
    assert failed.ended_at == 7.0
    assert set(cluster.sent) == {1, 3}
    cluster.drain()
    assert cluster.dispatcher.book.calls == {}
