"""What each placement policy prefers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from plugins.placement.least_work import LeastWork
from plugins.placement.round_robin import RoundRobin
from tests.factories import RuntimeStub, SimpleCluster, call_spec, make_call, make_dispatcher


@pytest.mark.parametrize("size", [1, 3, 8])
def test_round_robin_spreads_evenly(size: int) -> None:
    """Consecutive calls go round, whatever the load and speed of the runtimes."""
    cluster = [RuntimeStub(name=f"r{i}", outstanding_seconds=i * 9.0, decode=1.0 + i) for i in range(size)]
    chosen = [RoundRobin().place(make_call(n), cluster, 0.0).runtime for n in range(1, 10 * size + 1)]
    assert Counter(chosen) == {r.name: 10 for r in cluster}
    assert all(a != b for a, b in pairwise(chosen)) or size == 1


def test_round_robin_in_the_dispatcher() -> None:
    """Turns are taken by all calls together, not per workflow."""
    cluster = SimpleCluster(make_dispatcher("round_robin"), ["r0", "r1"])
    for call_id in range(6):
        cluster.workflow(f"w{call_id}")
        cluster.call(call_id, workflow_id=f"w{call_id}")
    assert Counter(d.runtime for d in cluster.sent.values()) == {"r0": 3, "r1": 3}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (RuntimeStub(name="better", decode=0.01), RuntimeStub(decode=0.03)),
        (RuntimeStub(name="better", prefill=0.001), RuntimeStub(prefill=0.002)),
        (RuntimeStub(name="better", outstanding_seconds=1.0), RuntimeStub(outstanding_seconds=2.0)),
        (RuntimeStub(name="better", cached=64), RuntimeStub()),
        (RuntimeStub(name="better", outstanding_seconds=0.1, decode=0.01), RuntimeStub(decode=0.03)),
        (RuntimeStub(name="better"), RuntimeStub(outstanding_seconds=1.0, cached=100)),
    ],
    ids=[
        "faster decode",
        "faster prefill",
        "less work",
        "cached prefix",
        "speed over idleness",
        "load over cache",
    ],
)
def test_least_work_prefers(better: RuntimeStub, worse: RuntimeStub) -> None:
    """The runtime that would be done first is taken, in whatever order they are listed."""
    for cluster in ([better, worse], [worse, better]):
        assert LeastWork().place(make_call(), cluster, 0.0).runtime == "better"


def test_least_work_scores_are_seconds() -> None:
    """A score is the outstanding seconds plus the call's own on that runtime; ties go to the first."""
    cluster = [RuntimeStub(name=f"r{i}", outstanding_seconds=2.0, prefill=0.01, decode=0.1) for i in range(2)]
    call = make_call(spec=call_spec(prompt_tokens=100), expected_output_tokens=10.0)
    placement = LeastWork().place(call, cluster, 0.0)
    assert placement.scores == pytest.approx({"r0": 4.0, "r1": 4.0})
    assert placement.runtime == "r0"


def test_least_work_gives_a_faster_runtime_more() -> None:
    """Once speeds are learned, a runtime three times as fast gets about three times the calls."""
    cluster = SimpleCluster(make_dispatcher("least_work", window_tokens=10**6), ["fast", "slow"])
    for runtime in cluster.dispatcher.runtimes.values():
        factor = 1.0 if runtime.name == "fast" else 3.0
        runtime.latency.prefill_seconds_per_token *= factor
        runtime.latency.decode_seconds_per_token *= factor
    cluster.workflow()
    for call_id in range(80):
        cluster.call(call_id)
    assert Counter(d.runtime for d in cluster.sent.values()) == {"fast": 60, "slow": 20}
