"""Tuning by replay: what is tried, what is taken, and what is gone back to."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.shipped import ordering_registry, placement_registry
from sched.sim.batching import SimRuntimeConfig
from sched.sim.figures import Outcome, WorkflowTimes
from sched.sim.hardware import parse_cluster
from sched.sim.simulator import SimOptions
from sched.tune.autotune import AutotuneOptions, Autotuner, Recent
from sched.tune.tuner import (
    LEAST_GAIN,
    PolicySetting,
    Sample,
    SettingOutcome,
    TuningReplay,
    grid,
    improve,
    knobs_of,
    neighbours,
    tail,
)
from tests.sched.sim.sim_factories import trace_call, trace_workflow

KNOBS = {"alpha": (0.0, 1.0)}
SLUICE = placement_registry().load("sluice")


def at(alpha: float) -> PolicySetting:
    return PolicySetting("hexgen_flow", {"alpha": alpha})


def valley(best: float, depth: float = 1.0) -> Callable[[PolicySetting], SettingOutcome]:
    """Return an evaluation that is lowest at ``best``."""
    return lambda s: SettingOutcome(s, 1.0 + depth * abs(s.values["alpha"] - best), 0.0)


def record(stretch: float) -> WorkflowTimes:
    outcome = Outcome.FAILED if math.isinf(stretch) else Outcome.FINISHED
    return WorkflowTimes(id="w", arrival=0.0, seconds=stretch, base_seconds=1.0, outcome=outcome)


def test_a_setting_names_its_policy() -> None:
    """Its text loads the same policy again, every knob included."""
    setting = PolicySetting.of("sluice?harm=0.5", placement_registry().load("sluice?harm=0.5"))
    assert str(setting).startswith("sluice?harm=0.5&power=4")
    assert placement_registry().load(str(setting)) == placement_registry().load("sluice?harm=0.5")
    assert str(PolicySetting.of("fast:Policy", placement_registry().load("least_work"))) == "fast:Policy"


@pytest.mark.parametrize("name", placement_registry().names())
def test_knobs_are_parameters_within_their_range(name: str) -> None:
    """What a policy names as a knob is a parameter of it, whose default lies in the range, ends included."""
    policy = placement_registry().load(name)
    setting = PolicySetting.of(name, policy)
    for knob, (low, high) in knobs_of(policy).items():
        assert low <= setting.values[knob] <= high
        for value in grid((low, high)):
            placement_registry().load(str(setting.with_value(knob, value)))


def test_the_tail_is_the_slowest_fifth() -> None:
    """Its mean; a failed workflow counts as a hundred times too slow."""
    assert tail([record(x) for x in range(1, 11)]) == 9.5
    assert tail([record(1.0), record(math.inf)]) == 100.0


@given(st.fixed_dictionaries({name: st.floats(*span) for name, span in knobs_of(SLUICE).items()}))
def test_neighbours_stay_close_and_in_range(values: dict[str, float]) -> None:
    """One knob differs, by at most three grid steps, and never leaves its range."""
    present, knobs = PolicySetting("sluice", values), knobs_of(SLUICE)
    for candidate in neighbours(present, knobs):
        changed = [name for name in knobs if candidate.values[name] != values[name]]
        assert len(changed) <= 1
        for name in changed:
            low, high = knobs[name]
            assert low <= candidate.values[name] <= high
            assert abs(candidate.values[name] - values[name]) <= 0.3 * (high - low) + 1e-5


def test_a_clear_gain_is_taken_step_by_step() -> None:
    """From .5 the best at 1 is reached in steps of .3 at most, and kept there."""
    tuner = Autotuner(at(0.5), KNOBS)
    found = []
    for now in range(4):
        tuner.judge(tuner.search(valley(1.0)), float(now))
        found.append(tuner.present.values["alpha"])
    assert found == [0.8, 1.0, 1.0, 1.0]
    assert [change.after for change in tuner.changes] == ["hexgen_flow?alpha=0.8", "hexgen_flow?alpha=1"]
    assert (tuner.rounds, tuner.changes[0].at, tuner.changes[0].before) == (4, 0.0, "hexgen_flow?alpha=0.5")


def test_a_small_gain_changes_nothing() -> None:
    """Below the guard's share the present setting stays."""
    tuner = Autotuner(at(0.5), KNOBS)
    verdict = tuner.search(valley(0.8, depth=0.1))
    assert 0 < verdict.gain < LEAST_GAIN
    assert tuner.judge(verdict, 0.0) is None
    assert tuner.present == at(0.5)


def test_what_won_by_luck_is_not_taken() -> None:
    """A gain on the samples of the search must show on others, too."""
    tuner = Autotuner(at(0.5), KNOBS)
    verdict = tuner.search(valley(0.8), valley(0.5))
    assert verdict.gain < 0
    assert tuner.judge(verdict, 0.0) is None
    assert tuner.judge(tuner.search(valley(0.8), valley(0.9)), 1.0) is not None
    assert tuner.present == at(0.8)


def test_the_first_setting_is_never_far() -> None:
    """When the load goes back, so does the tuner, in one round however far it had gone."""
    tuner = Autotuner(at(0.1), KNOBS)
    for _ in range(3):
        tuner.judge(tuner.search(valley(1.0)), 0.0)
    assert tuner.present == at(1.0)
    tuner.judge(tuner.search(valley(0.1)), 1.0)
    assert tuner.present == at(0.1)


def test_a_change_can_be_reverted() -> None:
    """Once by hand, to the setting before; a verdict on a setting that is gone is dropped."""
    tuner = Autotuner(at(0.5), KNOBS)
    assert tuner.revert(0.0, "by hand") is None
    verdict = tuner.search(valley(1.0))
    tuner.judge(verdict, 0.0)
    change = tuner.revert(1.0, "by hand")
    assert change is not None
    assert (tuner.present, change.reason) == (at(0.5), "by hand")
    late = improve(at(0.3), KNOBS, valley(1.0))
    assert tuner.judge(late, 2.0) is None


def test_a_replay_compares_settings_on_the_same_workflows() -> None:
    """Two fast and two slow runtimes, little load: the fastest runtime is best, and found again exactly."""
    call = trace_call(0, prompt=2000, output=200)
    sample = [trace_workflow(call, workflow_id=str(i), arrival=30.0 * i) for i in range(20)]
    replay = TuningReplay(
        samples=[Sample(sample, 2)],
        gpus=parse_cluster("a100,l40s"),
        config=SimRuntimeConfig(),
        ordering=ordering_registry().load("fcfs"),
        options=SimOptions(),
        load=placement_registry().load,
    )
    fast, even = replay(at(0.9)), replay(at(0.0))
    assert fast.tail <= even.tail
    assert fast.p95 <= even.p95
    assert replay(at(0.9)) == fast


def arrived(recent: Recent, count: int, gap: float, begin: float = 0.0, ended: int = 0) -> None:
    """Have ``count`` workflows arrive every ``gap`` seconds, of which the first ``ended`` end."""
    for i in range(count):
        name = f"{begin:g}/{i}"
        recent.arrived(name, begin + gap * i)
        if i < ended:
            recent.ended(trace_workflow(trace_call(0, output=i + 1), workflow_id=name))


def test_samples_begin_with_the_load_that_is_there() -> None:
    """From the oldest open workflow on they are as they arrived, uncounted; those to come follow."""
    recent = Recent(AutotuneOptions(workflows=10, least_workflows=3, samples=2))
    arrived(recent, 14, 1.0, begin=100.0, ended=2)
    assert recent.samples(114.0) == []
    for i in (2, 3, 4, 5, 6, 7, 8, 10):
        recent.ended(trace_workflow(trace_call(0, output=i + 1), workflow_id=f"100/{i}"))
    recent.ended(trace_workflow(trace_call(0), workflow_id="stranger"))
    first, second = recent.samples(114.0)
    for sample in (first, second):
        assert sample.warm_up == 5
        assert [w.arrival for w in sample.workflows[:5]] == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert sample.workflows[1].calls[0].output == 11
        assert len(sample.workflows) == 15
        assert min(w.arrival for w in sample.workflows[5:]) >= 5.0
        assert len({w.id for w in sample.workflows}) == 15
    assert first != second


def test_samples_have_the_rate_of_late() -> None:
    """After a shift the workflows to come arrive at the new rate, while most of the ring had the old one."""
    recent = Recent(AutotuneOptions(late=10))
    arrived(recent, 100, 10.0, ended=100)
    arrived(recent, 12, 0.5, begin=1000.0, ended=12)
    sample, *_ = recent.samples(1006.0)
    assert sample.warm_up == 0
    assert 0.25 < sample.workflows[-1].arrival / 80 < 1.0


def test_a_round_is_due_when_the_load_shifts() -> None:
    """Once a period; sooner if the rate is another one, a silence included; never if nothing came since."""
    recent = Recent(AutotuneOptions(period_seconds=60.0, least_seconds=15.0, late=10, least_workflows=5))
    arrived(recent, 50, 1.0, ended=50)
    assert recent.due(50.0)
    assert recent.samples(50.0)
    assert not recent.due(200.0)
    arrived(recent, 20, 1.0, begin=51.0)
    assert not recent.due(70.0)
    assert recent.due(110.0)
    assert recent.due(85.0), "nothing came for 15 s"
    arrived(recent, 20, 0.1, begin=70.0)
    assert recent.due(72.0)


def test_the_ring_is_bounded() -> None:
    """Old arrivals and ends are forgotten together."""
    recent = Recent(AutotuneOptions(workflows=5))
    for i in range(100):
        recent.arrived(f"w{i}", float(i))
        recent.ended(trace_workflow(trace_call(0), workflow_id=f"w{i}"))
    assert len(recent._arrivals) == len(recent._ended) == 20
