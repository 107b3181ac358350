"""The figures of a run, and when its workflows arrive."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import mean, pstdev

import pytest

from sched.errors import ConfigError
from sched.sim.figures import (
    CallRecord,
    Outcome,
    Recording,
    RuntimeRecord,
    WorkflowTimes,
    percentile,
    summarise,
)
from sched.traces.arrivals import draw
from sched.traces.trace_format import read_trace
from tests.sched.sim.sim_factories import trace_call, trace_workflow

FORMULA1 = Path(__file__).parents[3] / "traces" / "hexgen_flow_formula1.jsonl"


def workflow_record(arrival: float, seconds: float, *, outcome: Outcome = Outcome.FINISHED) -> WorkflowTimes:
    """Return a workflow expected to take 10 s."""
    call = CallRecord(
        stage="s",
        runtime="r0",
        queue_seconds=seconds / 10,
        first_token_seconds=1.0,
        seconds=2.0,
        prompt_tokens=100,
        cached_tokens=60,
        predicted_cached_tokens=50,
        output_tokens=5,
    )
    return WorkflowTimes(
        id=str(arrival), arrival=arrival, seconds=seconds, base_seconds=10.0, outcome=outcome, calls=[call]
    )


def test_figures_leave_out_the_warm_up() -> None:
    """The first tenth counts nowhere; shares and percentiles are of the rest."""
    workflows = [workflow_record(float(i), 1000.0 if i < 2 else 10.0 + i) for i in range(20)]
    summary = summarise(
        Recording(workflows, [RuntimeRecord(name="r0", busy_seconds=501.0, retractions=3)]), 2.0
    )
    assert (summary.workflows, summary.p50, summary.p95, summary.p99) == (18, 20.0, 29.0, 29.0)
    assert summary.attainment == 9 / 18
    assert summary.scale == 2.9
    assert summary.goodput == pytest.approx(9 / 17)
    assert summary.hit_rate == 0.6
    assert summary.mispredicted_cache_tokens == 10
    assert summary.retractions == 3
    assert summary.busy == {"r0": pytest.approx(501 / 1001)}
    assert summary.stages["s"].calls == 18
    assert summary.stages["s"].queue_p95_seconds == 2.9


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.05, 1), (0.06, 2), (0.5, 10), (0.95, 19), (0.951, 20), (1.0, 20)]
)
def test_percentiles_are_values_that_occurred(share: float, value: int) -> None:
    """The smallest value that enough others don't exceed."""
    assert percentile(list(range(20, 0, -1)), share) == value


# --- arrivals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("arrivals", "variation"), [("poisson", 1.0), ("gamma:3", 3.0), ("gamma:0", 0.0)])
def test_arrivals_have_their_rate_and_variation(arrivals: str, variation: float) -> None:
    """Gaps are as asked for, on average; the trace is shuffled until there are enough."""
    trace = read_trace(FORMULA1)
    drawn = draw(trace, 4000, 2.0, arrivals, seed=5)
    between = [b.arrival - a.arrival for a, b in pairwise(drawn)]
    assert mean(between) == pytest.approx(0.5, rel=0.1)
    assert pstdev(between) / mean(between) == pytest.approx(variation, rel=0.1, abs=1e-9)
    assert len({w.id for w in drawn}) == 4000
    lap = [w.id.partition(":")[2] for w in drawn[: len(trace)]]
    assert sorted(lap) == sorted(w.id for w in trace) != lap
    assert draw(trace, 50, 2.0, arrivals, seed=5) == drawn[:50] != draw(trace, 50, 2.0, arrivals, seed=6)


def test_recorded_arrivals_are_stretched() -> None:
    """The trace's own rhythm at another rate, repeated when it is too short."""
    trace = [
        trace_workflow(trace_call(0), workflow_id=str(i), arrival=10.0 + t) for i, t in enumerate((0, 1, 4))
    ]
    drawn = draw(trace, 6, 0.25, "trace", seed=0)
    assert [w.arrival for w in drawn] == pytest.approx([0, 2, 8, 12, 14, 20])


def test_an_unknown_arrival_process_is_refused() -> None:
    """The error lists what there is."""
    with pytest.raises(ConfigError, match="choose poisson, gamma:3 or trace"):
        draw([trace_workflow(trace_call(0))], 1, 1.0, "weibull", 0)
