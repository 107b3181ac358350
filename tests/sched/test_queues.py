"""Where calls wait: what runtimes report while they do, and what a policy is asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from launch.shipped import placement_registry
from sched import events as ev
from sched.decisions import Dispatch
from sched.events import CacheScope
from sched.policy import Placement
from sched.predict.speed import Pass
from sched.views import CallView, RuntimeView
from tests.factories import FaultyPlacement, SimpleCluster, chain, make_dispatcher


class Noting(FaultyPlacement):
    """Takes the first runtime and notes how much of the prompt it believes to be cached there."""

    def __init__(self) -> None:
        self.cached: list[int] = []

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the first runtime."""
        self.cached.append(runtimes[0].cached_tokens(call))
        return super().place(call, runtimes, now)


class Sharing(FaultyPlacement):
    """Has calls wait for so many tokens that are just being computed for another one."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the first runtime."""
        return replace(super().place(call, runtimes, now), share_tokens=self.tokens)


def sharing(tokens: int) -> SimpleCluster:
    """Return a runtime with calls 1 and 2 that begin alike with 320 tokens, and 3 that doesn't."""
    cluster = SimpleCluster(make_dispatcher(Sharing(tokens)), ["r0"])
    cluster.workflow()
    for call_id, family in ((1, 1), (2, 1), (3, 2)):
        cluster.call(call_id, prompt_tokens=330, blocks=chain(family, 320))
    return cluster


@pytest.mark.parametrize(("tokens", "waits"), [(0, False), (320, True), (321, False)])
def test_a_call_waits_for_a_prefix_that_is_just_being_computed(tokens: int, waits: bool) -> None:
    """If that is at least what its placement says; others go first meanwhile."""
    assert set(sharing(tokens).sent) == ({1, 3} if waits else {1, 2, 3})


@pytest.mark.parametrize("end", ["first token", "cancelled"])
def test_the_wait_for_a_prefix_ends_with_its_computation(end: str) -> None:
    """Whether the prefix is then cached or given up."""
    cluster = sharing(320)
    decisions = cluster.first_token(1) if end == "first token" else cluster.cancel(1)
    (sent,) = (d for d in decisions if isinstance(d, Dispatch))
    assert sent.call_id == 2
    assert sent.record.predicted_cached_tokens == (320 if end == "first token" else 0)


@pytest.mark.parametrize(("name", "learned"), [("r0", 1), ("unknown", 0)])
def test_passes_teach_the_runtime_that_made_them(name: str, learned: int) -> None:
    """That one only; a report of a runtime that is lost is no error."""
    cluster = SimpleCluster(make_dispatcher(), ["r0", "r1"])
    slow = Pass(requests=1, tokens=100, reach=5000.0, square=10_000.0, calls=0, context=0, seconds=9.0)
    assert cluster.feed(ev.PassesReported(name, [slow])) == []
    passes = {name: runtime.latency.passes for name, runtime in cluster.dispatcher.runtimes.items()}
    assert passes == {"r0": learned, "r1": 0}


def test_a_decision_carries_what_the_runtimes_queue_sorts_by() -> None:
    """The sequence ascends with arrival; a call that is tried again keeps its own."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    for call_id in (7, 3):
        cluster.call(call_id)
    assert {i: d.sequence for i, d in cluster.sent.items()} == {7: 1, 3: 2}
    cluster.fail(7)
    assert (cluster.sent[7].attempt, cluster.sent[7].sequence) == (2, 1)


def test_a_call_is_nowhere_once_its_last_runtime_is_lost() -> None:
    """It waits without a runtime, as one does that came before the first."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    cluster.call(1)
    cluster.lose("r0")
    assert cluster.dispatcher.book.calls[1].runtime is None
    assert cluster.dispatcher.waiting_calls == 1


def test_a_policy_may_index_the_runtimes_of_a_retry() -> None:
    """It is asked with a sequence also when every runtime has failed the call."""
    cluster = SimpleCluster(make_dispatcher(FaultyPlacement()), ["r0"])
    cluster.workflow()
    cluster.call(1)
    cluster.fail(1)
    assert cluster.sent[1].attempt == 2


def test_another_placement_policy_takes_over_with_the_next_call() -> None:
    """The call that waits stays where it was placed; the one that comes then is placed by the new policy,
    and its decision says so."""
    cluster = SimpleCluster(make_dispatcher(FaultyPlacement(), window_tokens=100), ["r0", "r1"])
    cluster.workflow()
    cluster.call(1)
    cluster.call(2)
    assert cluster.feed(ev.PlacementChanged(placement_registry().load("least_outstanding"))) == []
    (sent,) = cluster.call(3)
    assert isinstance(sent, Dispatch)
    assert (sent.runtime, sent.record.placement) == ("r1", "least_outstanding")
    cluster.finish(1)
    assert cluster.sent[2].runtime == "r0"


def test_a_call_is_placed_by_what_is_cached_now() -> None:
    """A prompt that was computed but not reported as cached counts for two seconds, for the placement too."""
    placement = Noting()
    cluster = SimpleCluster(make_dispatcher(placement), ["r0"])
    cluster.workflow()
    cluster.feed(ev.CacheReported("r0", CacheScope.ALL))
    for call_id, now in enumerate([0.0, 1.0, 3.5]):
        cluster.now = now
        cluster.call(call_id, prompt_tokens=330, blocks=chain(1, 320))
        if call_id:
            cluster.cancel(call_id)
        else:
            cluster.first_token(call_id)
            cluster.finish(call_id)
    assert placement.cached == [0, 320, 0]
