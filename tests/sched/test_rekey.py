"""Calls that wait are given another place when their workflow's deadline or their siblings change."""

from __future__ import annotations

from collections import Counter

import pytest

from plugins.ordering.urgency import Urgency
from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Dispatch, RekeyCall, WorkflowSettled
from sched.policy import FollowingPolicy, OrderingPolicy, RekeyReason
from sched.request import State
from sched.views import PlacedCallView
from tests.factories import DeadlineAndSiblings, SimpleCluster, StageKeyOrdering, chain, make_dispatcher


class CountingUrgency(Urgency):
    """Counts how often each call was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return ``Urgency``'s key."""
        self.asked[call.sequence] += 1
        return super().key(call, now)


class FailsLater(DeadlineAndSiblings):
    """Fails on a call that it is asked for again."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return a key the first time."""
        if call.sequence in self.seen:
            raise RuntimeError("no idea")
        self.seen.add(call.sequence)
        return super().key(call, now)


def busy(window_tokens: int, ordering: str | OrderingPolicy = "urgency") -> SimpleCluster:
    """Return a runtime with a call of each workflow: ``a`` (slo 300 s), ``b`` (200 s) and ``c`` (100 s)."""
    cluster = SimpleCluster(make_dispatcher(ordering=ordering, window_tokens=window_tokens), ["r0"])
    for number, workflow_id in enumerate("abc"):
        cluster.workflow(workflow_id, slo_seconds=300.0 - 100.0 * number)
        cluster.call(number, workflow_id=workflow_id, blocks=chain(number, 100))
    return cluster


def order(cluster: SimpleCluster) -> list[int]:
    """Return the order in which the calls are sent, finishing each."""
    sent = []
    while cluster.sent:
        (call_id,) = cluster.sent
        sent.append(call_id)
        cluster.finish(call_id)
    return sent


def test_a_held_call_takes_the_place_of_its_new_deadline() -> None:
    """Held calls go by the deadlines they have when they are sent, and nothing is told to a runtime."""
    cluster = busy(100)
    cluster.workflow("d", slo_seconds=150.0)
    cluster.call(3, workflow_id="d")
    assert cluster.feed(ev.DeadlineChanged("b", 50.0)) == []
    assert cluster.feed(ev.DeadlineChanged("c", 400.0)) == []
    assert order(cluster) == [0, 1, 3, 2]


def test_a_sent_call_is_rekeyed_on_its_runtime() -> None:
    """A call in a runtime's queue gets the key that it would have had with that deadline from the start."""
    cluster = busy(4096)
    (rekey,) = cluster.feed(ev.DeadlineChanged("a", 50.0))
    assert isinstance(rekey, RekeyCall)
    assert (rekey.call_id, rekey.attempt, rekey.runtime) == (0, 1, "r0")
    assert rekey.key == pytest.approx(cluster.sent[2].key - 50.0)
    assert rekey.key == cluster.dispatcher.book.calls[0].key


def test_a_call_that_has_started_stays() -> None:
    """After the first token there is no place to change; a second try has the new deadline."""
    cluster = busy(4096)
    before = cluster.sent[0].key
    cluster.first_token(0)
    assert cluster.feed(ev.DeadlineChanged("a", 50.0)) == []
    cluster.fail(0)
    assert cluster.sent[0].attempt == 2
    assert cluster.sent[0].key == pytest.approx(before - 250.0, abs=0.1)


def test_what_has_not_changed_is_not_told() -> None:
    """Neither time, nor what was learned, nor the call's own prompt in the cache moves a key."""
    cluster = busy(4096)
    cluster.now = 20.0
    cluster.finish(2, output=10, ttft=5.0, total=15.0)
    assert cluster.feed(ev.DeadlineChanged("a", 300.0)) == []


def test_an_order_without_deadlines_has_nothing_to_follow() -> None:
    """Under ``fcfs`` a new deadline changes no place, only what is known of the time left."""
    cluster = busy(100, ordering="fcfs")
    assert cluster.feed(ev.DeadlineChanged("c", 10.0)) == []
    assert cluster.dispatcher.book.calls[2].stage_deadline == 10.0
    assert order(cluster) == [0, 1, 2]


def test_a_deadline_runs_from_the_arrival() -> None:
    """Whether a workflow was in time is judged by its last deadline, which policies see."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.now = 5.0
    cluster.workflow(slo_seconds=10.0)
    cluster.now = 30.0
    cluster.feed(ev.DeadlineChanged("w0", 40.0))
    assert cluster.dispatcher.book.workflows["w0"].spec.slo_seconds == 40.0
    cluster.now = 44.0
    (end,) = cluster.feed(ev.WorkflowEnded("w0"))
    assert isinstance(end, WorkflowSettled)
    assert end.deadline_met


def test_only_an_open_workflow_has_a_deadline() -> None:
    """Another deadline for a workflow that is not open raises ``KeyError``."""
    with pytest.raises(KeyError):
        SimpleCluster(make_dispatcher()).feed(ev.DeadlineChanged("w0", 40.0))


def test_only_the_workflows_waiting_calls_are_asked_for() -> None:
    """A new deadline costs one key for each call of that workflow that waits."""
    ordering = CountingUrgency()
    cluster = busy(4096, ordering=ordering)
    cluster.call(3, workflow_id="a")
    cluster.call(4, workflow_id="a")
    cluster.first_token(4)
    assert set(ordering.asked.values()) == {1}
    cluster.feed(ev.DeadlineChanged("a", 50.0))
    assert ordering.asked == {1: 2, 2: 1, 3: 1, 4: 2, 5: 1}


def test_a_sibling_costs_nothing_where_only_deadlines_count() -> None:
    """A policy that does not look at siblings is not asked when one ends."""
    ordering = CountingUrgency()
    cluster = SimpleCluster(make_dispatcher(ordering=ordering), ["r0"])
    cluster.workflow()
    for branch in range(2):
        cluster.call(branch, join_id="j", join_size=2, branch=branch, ends_branch=True)
    cluster.finish(0)
    assert ordering.asked == {1: 1, 2: 1}


def test_a_call_without_a_runtime_is_keyed_when_it_has_one() -> None:
    """A new deadline finds calls that wait for the first runtime; they get their keys there."""
    cluster = SimpleCluster(make_dispatcher(ordering="urgency"))
    cluster.workflow(slo_seconds=300.0)
    cluster.call(0)
    assert cluster.feed(ev.DeadlineChanged("w0", 50.0)) == []
    (dispatch,) = cluster.up("r0")
    assert isinstance(dispatch, Dispatch)
    assert 49.0 < dispatch.key < 50.0


@pytest.mark.parametrize("ends_branch", [True, False])
def test_siblings_left_are_rekeyed_when_one_ends(ends_branch: bool) -> None:
    """When a branch ends, by its only call or as reported, the calls of the others get their new keys."""
    cluster = SimpleCluster(make_dispatcher(ordering=DeadlineAndSiblings()), ["r0"])
    cluster.workflow()
    cluster.feed(ev.JoinOpened("w0", "j", 3))
    for branch in range(3):
        cluster.call(branch, join_id="j", join_size=3, branch=branch, ends_branch=ends_branch)
    before = {call_id: dispatch.key for call_id, dispatch in cluster.sent.items()}
    decisions = cluster.finish(1)
    if not ends_branch:
        assert not any(isinstance(d, RekeyCall) for d in decisions)
        decisions = cluster.feed(ev.BranchEnded("w0", "j", 1))
    rekeys = [d for d in decisions if isinstance(d, RekeyCall)]
    assert {d.call_id: d.key for d in rekeys} == {call_id: before[call_id] - 10.0 for call_id in (0, 2)}


def test_a_refused_sibling_is_one_less() -> None:
    """A branch whose call is refused has ended, and the others are moved at once."""
    dispatcher = make_dispatcher(ordering=DeadlineAndSiblings(), window_tokens=100, max_waiting_calls=1)
    cluster = SimpleCluster(dispatcher, ["r0"])
    cluster.workflow()
    cluster.call(0, join_id="j", join_size=2, branch=0, ends_branch=True)
    cluster.call(1)
    refused, rekey = cluster.call(2, join_id="j", join_size=2, branch=1, ends_branch=True)
    assert isinstance(refused, CallSettled)
    assert refused.state is State.REJECTED
    assert rekey == RekeyCall(0, 1, "r0", cluster.sent[0].key - 10.0)


def test_the_end_of_a_workflow_rekeys_nobody() -> None:
    """Siblings that are withdrawn together are not moved first."""
    cluster = SimpleCluster(make_dispatcher(ordering=DeadlineAndSiblings()), ["r0"])
    cluster.workflow()
    for branch in range(3):
        cluster.call(branch, join_id="j", join_size=3, branch=branch, ends_branch=True)
    assert not any(isinstance(d, RekeyCall) for d in cluster.feed(ev.WorkflowEnded("w0")))


def test_a_policy_that_fails_on_a_new_deadline_costs_the_call() -> None:
    """The call fails then, with the reason, and is aborted on its runtime; others go on."""
    cluster = busy(4096, ordering=FailsLater())
    failed = cluster.dispatcher.book.calls[0]
    cluster.now = 7.0
    abort, end = cluster.feed(ev.DeadlineChanged("a", 50.0))
    assert abort == AbortCall(0, 1, "r0")
    assert isinstance(end, CallSettled)
    assert end.state is State.FAILED
    assert end.failure is not None
    assert "no idea" in end.failure.message
    assert failed.ended_at == 7.0
    assert set(cluster.sent) == {1, 2}


def test_places_given_up_are_not_kept() -> None:
    """However often a held call's key changes, what is kept of it is bounded; the same key adds nothing."""
    cluster = busy(100)
    entries = len(cluster.dispatcher.runtimes["r0"].window.held)
    cluster.feed(ev.DeadlineChanged("c", 100.0))
    assert len(cluster.dispatcher.runtimes["r0"].window.held) == entries
    for number in range(1000):
        cluster.feed(ev.DeadlineChanged("c", 100.0 + number))
    assert len(cluster.dispatcher.runtimes["r0"].window.held) < 100
    assert order(cluster) == [0, 1, 2]


def test_who_follows_what() -> None:
    """A policy says what its keys depend on; one that says nothing is asked once."""
    assert isinstance(Urgency(), FollowingPolicy)
    assert Urgency().follows == {RekeyReason.DEADLINE}
    assert not isinstance(StageKeyOrdering(), FollowingPolicy)
