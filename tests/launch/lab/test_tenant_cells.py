"""Tenants' workflows in simulation: greedy ones, and a light one beside a flood."""

from __future__ import annotations

from typing import Any

from launch.lab.tenant_cells import TenantCell

TRACE = "traces/hexgen_flow_formula1.jsonl"


def run(ordering: str, scenario: str, workflows: int) -> dict[str, Any]:
    """Return the figures of a run on one GPU of few slots."""
    return TenantCell(
        trace=TRACE,
        cluster="a100",
        placement="sluice",
        ordering=ordering,
        runtime_config="mixed2048",
        max_running_requests=4,
        workflows=workflows,
        scenario=scenario,
    ).run()


def test_shares_follow_weights_where_they_are_shared() -> None:
    """GPU seconds over weights are evener than without, and the heaviest has most."""
    fair, plain = (run(ordering, "greedy", 30) for ordering in ("fair", "adaptive"))
    assert fair["jain"] > plain["jain"]
    assert fair["seconds_one"] < fair["seconds_two"] < fair["seconds_four"]


def test_a_light_tenant_waits_less_for_a_flood_where_they_share() -> None:
    """Alone it is served alike, as there is nobody to share with."""
    alone, flooded = (run("fair", scenario, 3)["p95"] for scenario in ("alone", "flood"))
    plain, swamped = (run("adaptive", scenario, 3)["p95"] for scenario in ("alone", "flood"))
    assert alone == plain
    assert alone < flooded < swamped
