"""A comparison's plan: systems by name, the order of runs, the same work for all, results that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.bench.compare import PRESETS
from launch.bench.peers.design import Run, Work, runs
from launch.bench.peers.results import PeerResults
from launch.bench.peers.systems import OURS, SYSTEMS, System
from sched.errors import ConfigError
from tests.launch.bench.peers.peer_results import CALIBRATIONS, OUTSIDE, design, outcome, results


def test_systems_say_how_they_are_started_and_simulated() -> None:
    """The router's flags are its own; in simulation our re-implementation has the same thresholds."""
    small = SYSTEMS[1]
    assert small.flags == [
        *("--policy", "cache_aware", "--balance-abs-threshold", "8", "--balance-rel-threshold", "1.2"),
    ]
    assert small.placement == "cache_aware?balance_abs=8&balance_rel=1.2"
    assert small.ordering == "fcfs"
    tuned = System("sluice:hexgen_flow?alpha=0.4+urgency")
    assert (tuned.placement, tuned.ordering) == ("hexgen_flow?alpha=0.4", "urgency")
    assert SYSTEMS[-1] == OURS
    for system in (*SYSTEMS, tuned):
        system.check()


@pytest.mark.parametrize(
    "name",
    [
        "vllm:x",
        "router:fastest",
        "router:cache_aware?speed=1",
        "sluice:sluice",
        "sluice:nothing+fcfs",
        "sluice:sluice+nothing",
    ],
)
def test_unknown_systems_are_refused(name: str) -> None:
    """The message says what could be compared."""
    with pytest.raises(ConfigError):
        System(name).check()


def test_runs_alternate_between_systems(tmp_path: Path) -> None:
    """All systems run at a load before the next begins, and each is first at some time."""
    plan = runs(design(tmp_path, blocks=4), SYSTEMS)
    groups = [plan[i : i + len(SYSTEMS)] for i in range(0, len(plan), len(SYSTEMS))]
    assert all({run.system for run in group} == set(SYSTEMS) for group in groups)
    assert all(len({(run.load, run.block) for run in group}) == 1 for group in groups)
    assert {group[0].system for group in groups} == set(SYSTEMS)
    assert len({run.key for run in plan}) == len(plan)


def test_a_full_comparison_has_three_hundred_workflows_a_cell() -> None:
    """Those that are counted; it has three loads, as the validation needs."""
    full = PRESETS["full"]
    assert full["blocks"] * full["workflows"] * 0.9 >= 300
    assert len(full["loads"]) >= 3


def test_work_is_the_same_for_all_systems_and_scales_with_the_load(tmp_path: Path) -> None:
    """Equal loads and blocks give equal arrivals, other blocks others; twice the load, twice the rate."""
    work = Work(design(tmp_path), CALIBRATIONS, OUTSIDE)
    assert work.items(0.5, 0) == Work(design(tmp_path), CALIBRATIONS, OUTSIDE).items(0.5, 0)
    assert work.items(0.5, 0) != work.items(0.5, 1)
    slow, fast = work.items(0.5, 0), work.items(1.0, 0)
    for one, other in zip(slow, fast, strict=True):
        assert one.workflow.arrival == pytest.approx(2 * other.workflow.arrival)
        assert one.slo_seconds == pytest.approx(3.0 * one.base_seconds)


def test_capacity_adds_what_each_runtime_does_alone(tmp_path: Path) -> None:
    """A runtime that is three times as slow adds a third."""
    both = Work(design(tmp_path), CALIBRATIONS, OUTSIDE).capacity
    fast = Work(design(tmp_path), {"fast": CALIBRATIONS["fast"]}, OUTSIDE).capacity
    assert both == pytest.approx(4 / 3 * fast, rel=1e-3)


def test_simulated_calls_also_take_what_is_spent_outside_forward_passes(tmp_path: Path) -> None:
    """Half of it as time of the runtime, longer on one slowed down, half beside it, by the kind of system;
    deadlines are the same for all, and so is what is learned by kind."""
    work = Work(design(tmp_path), CALIBRATIONS, OUTSIDE)
    items = work.items(0.5, 0)
    assert {c.sql for item in items for c in item.workflow.calls} == {0.0}
    for system, outside in ((SYSTEMS[0], 0.01), (OURS, 0.02)):
        flows = work.simulated(system, 0.5, 0)
        assert {c.sql for w in flows for c in w.calls} == {outside / 2}
        assert [gpu.host_seconds for gpu in work.hardware(system)] == [outside / 2, 3 * outside / 2]
        assert {w.kind for w in flows} == {"external"}
        assert [w.slo_seconds for w in flows] == [item.slo_seconds for item in items]


def test_results_are_kept_and_gone_on_from(tmp_path: Path) -> None:
    """A file gives back what was added, also if it was cut while a line was written."""
    plan, file = design(tmp_path), tmp_path / "results.jsonl"
    done = results(file, plan, lambda run, items: [outcome(item, run.load) for item in items])
    file.write_bytes(file.read_bytes() + b'{"key": "half')
    found = PeerResults.at(file, plan)
    assert found.outcomes == done.outcomes
    assert found.calibrations == CALIBRATIONS
    assert (found.machine, found.outside) == ({"cores": 2}, OUTSIDE)
    extra = Run(SYSTEMS[0], 2.0, 0)
    found.add(extra, [])
    assert PeerResults.at(file, plan).outcomes[extra.key] == []


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    """Mixing them would compare unlike work; more loads and blocks may be added."""
    file = tmp_path / "results.jsonl"
    results(file, design(tmp_path), lambda _, items: [])
    assert PeerResults.at(file, design(tmp_path, blocks=5, loads=(0.1,))).calibrations
    with pytest.raises(ConfigError, match="other settings"):
        PeerResults.at(file, design(tmp_path, slowdown=2.0))
    file.write_text('{"key": 1}\n')
    with pytest.raises(ConfigError, match="no results"):
        PeerResults.at(file, design(tmp_path))
