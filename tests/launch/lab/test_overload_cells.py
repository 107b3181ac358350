"""Runs at a multiple of what the cluster sustains: served to the end, or admitted by deadline."""

from __future__ import annotations

from typing import Any

import pytest

from launch.lab.overload_cells import OverloadCell

TRACE = "traces/hexgen_flow_formula1.jsonl"


def run(admission: str, offered: float, **changes: Any) -> dict[str, Any]:
    """Return the figures of a run on two GPUs."""
    settings = {"trace": TRACE, "cluster": "a100,a6000", "runtime_config": "mixed2048", "workflows": 60}
    policies = {"placement": "sluice", "ordering": "adaptive", "admission": admission}
    return OverloadCell(**{**settings, **policies, "offered": offered, **changes}).run()


def test_the_load_is_a_multiple_of_the_sustained_rate() -> None:
    """Whatever the admission, and overloads last as long as a load of 1."""
    calm, busy = run("always", 0.5), run("slo_aware", 2.0)
    assert calm["sustained"] == busy["sustained"]
    assert (calm["rate"], busy["rate"]) == (0.5 * calm["sustained"], 2.0 * calm["sustained"])
    assert (calm["workflows"], busy["workflows"]) == (54, 108), "the first tenth isn't counted"


@pytest.mark.slow
@pytest.mark.parametrize("trace", [TRACE, "traces/hexgen_flow_financial.jsonl"])
@pytest.mark.parametrize("cluster", ["hetero1", "a100,a100,a100,a100"])
@pytest.mark.parametrize("seed", [0, 1])
def test_overload_is_survived_and_nothing_refused_below_it(trace: str, cluster: str, seed: int) -> None:
    """Up to 80 % of the sustained load nothing is refused; at three times that load goodput is at least 90 %
    of that at it, where it collapses if all are served."""
    where = {"trace": trace, "cluster": cluster, "seed": seed, "workflows": 400}
    for offered in (0.3, 0.8):
        calm, served = (run(admission, offered, **where) for admission in ("slo_aware", "always"))
        assert calm["refused"] == 0
        assert calm["attainment"] >= served["attainment"] - 0.01
    full, over = (run("slo_aware", offered, **where) for offered in (1.0, 3.0))
    assert over["goodput"] >= 0.9 * full["goodput"]
    assert run("always", 3.0, **where)["goodput"] <= 0.1 * full["goodput"]
