"""Finds better parameters of a placement policy by replaying workflows in the simulator.

The method is HexGen-Flow's (arXiv 2505.05286): the workload is replayed for each value of a grid, and the
value with the best tail is taken.  A policy that can be tuned names its ``knobs``: a parameter's least and
most value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sched.policy import OrderingPolicy, PlacementPolicy
from sched.sim.batching import SimRuntimeConfig
from sched.sim.figures import Recording, WorkflowTimes, percentile
from sched.sim.hardware import Gpu
from sched.sim.simulator import SimOptions, Simulator
from sched.traces.trace_format import TraceWorkflow

GRID_STEPS = 10
"""The published grid: eleven values over a knob's range."""
LEAST_GAIN = 0.05
"""A change is made if it promises to shorten the tail by such a share."""
MOST_STEPS = 3
"""Grid steps by which a knob moves at a time."""
_TAIL = 0.2
_FAILED_STRETCH = 100.0

Knobs = Mapping[str, tuple[float, float]]
Loader = Callable[[str], PlacementPolicy]
"""Returns the policy of a text such as ``hexgen_flow?alpha=0.5``."""


@dataclass(frozen=True, slots=True)
class PolicySetting:
    """A policy by its registered name, with the values of its knobs."""

    policy: str
    values: Mapping[str, float]

    def __str__(self) -> str:
        pairs = "&".join(f"{name}={value:.6g}" for name, value in self.values.items())
        return f"{self.policy}?{pairs}" if pairs else self.policy

    def with_value(self, name: str, value: float) -> PolicySetting:
        """Return the setting with another value of one knob."""
        return PolicySetting(self.policy, {**self.values, name: value})

    @classmethod
    def of(cls, name: str, policy: PlacementPolicy) -> PolicySetting:
        """Return the setting of ``policy``, which was loaded by ``name``; without knobs it has no values."""
        return cls(name.partition("?")[0], {knob: getattr(policy, knob) for knob in knobs_of(policy)})


def knobs_of(policy: PlacementPolicy) -> Knobs:
    """Return what can be tuned about a policy, empty if it names nothing."""
    knobs: Knobs = getattr(policy, "knobs", {})
    return knobs


def grid(knob: tuple[float, float], steps: int = GRID_STEPS) -> list[float]:
    """Return the values of a knob's grid."""
    low, high = knob
    return [low + (high - low) * i / steps for i in range(steps + 1)]


def tail(workflows: Sequence[WorkflowTimes]) -> float:
    """Return the mean stretch of the slowest fifth: smoother than a percentile, so fewer workflows do."""
    stretches = sorted(min(_FAILED_STRETCH, w.stretch) for w in workflows)
    slowest = stretches[-max(1, math.ceil(_TAIL * len(stretches))) :]
    return math.fsum(slowest) / len(slowest) if stretches else math.inf


class Sample(NamedTuple):
    """Workflows to replay, by arrival; the first ``warm_up`` of them make a load and aren't counted."""

    workflows: Sequence[TraceWorkflow]
    warm_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningReplay:
    """What a setting is judged by: samples of workflows, each replayed on simulated runtimes of its own."""

    samples: Sequence[Sample]
    gpus: Sequence[Gpu]
    config: SimRuntimeConfig
    ordering: OrderingPolicy
    options: SimOptions
    load: Loader

    def parts(self) -> tuple[TuningReplay, TuningReplay]:
        """Return the replay of the first sample, and that of the others."""
        return replace(self, samples=self.samples[:1]), replace(self, samples=self.samples[1:])

    def __call__(self, setting: PolicySetting) -> SettingOutcome:
        """Return what ``setting`` brings, over all samples."""
        counted: list[WorkflowTimes] = []
        for sample in self.samples:
            counted += self._run(setting, sample.workflows).workflows[sample.warm_up :]
        seconds = [math.inf if w.failed else w.seconds for w in counted]
        return SettingOutcome(setting, tail(counted), percentile(seconds, 0.95))

    def _run(self, setting: PolicySetting, sample: Sequence[TraceWorkflow]) -> Recording:
        simulator = Simulator(self.gpus, self.config, self.load(str(setting)), self.ordering, self.options)
        return simulator.run(sample)


@dataclass(frozen=True, slots=True)
class SettingOutcome:
    """A setting with the tail stretch (what is minimised) and the P95 in seconds of its replays."""

    setting: PolicySetting
    tail: float
    p95: float


@dataclass(frozen=True, slots=True)
class TuningVerdict:
    """What one round of tuning found.  ``chosen`` is the present setting unless ``gain`` is clear.

    ``gain``: the share by which the best one's tail is shorter.  ``evaluated``: settings tried.
    """

    present: SettingOutcome
    best: SettingOutcome
    gain: float
    evaluated: int

    @property
    def chosen(self) -> PolicySetting:
        """The setting to use from now on."""
        return self.best.setting if self.gain >= LEAST_GAIN else self.present.setting


def neighbours(
    present: PolicySetting,
    knobs: Knobs,
    others: Sequence[PolicySetting] = (),
    steps: Sequence[int] = (-MOST_STEPS, -1, 1, MOST_STEPS),
) -> list[PolicySetting]:
    """Return settings that differ in one knob by one of ``steps`` (in grid steps), and ``others``."""
    found = [setting for setting in others if setting != present]
    for name, (low, high) in knobs.items():
        step = (high - low) / GRID_STEPS
        for count in steps:
            value = min(high, max(low, present.values[name] + count * step))
            candidate = present.with_value(name, round(value, 6))
            if candidate != present and candidate not in found:
                found.append(candidate)
    return found


def improve(
    present: PolicySetting,
    knobs: Knobs,
    evaluate: Callable[[PolicySetting], SettingOutcome],
    others: Sequence[PolicySetting] = (),
    confirm: Callable[[PolicySetting], SettingOutcome] | None = None,
) -> TuningVerdict:
    """Return the best of ``present`` and its neighbours: one knob, a few steps at a time.

    ``others`` may be gone (back) to, however far they are.  The best of many is partly lucky: what gains
    clearly is evaluated again, by ``confirm``, whose outcomes count then.
    """
    now = evaluate(present)
    outcomes = [evaluate(candidate) for candidate in neighbours(present, knobs, others)]
    best = min([now, *outcomes], key=lambda outcome: outcome.tail)
    if confirm is not None and _gain(now, best) >= LEAST_GAIN:
        now, best = confirm(present), confirm(best.setting)
    return TuningVerdict(now, best, _gain(now, best), len(outcomes) + 1)


def _gain(now: SettingOutcome, best: SettingOutcome) -> float:
    return 1 - best.tail / now.tail if now.tail > 0 else 0.0
