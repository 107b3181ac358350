"""One simulated run of a load that shifts, with a fixed setting or with live tuning."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from launch.shipped import ordering_registry, placement_registry
from sched.events import PlacementChanged
from sched.sim.batching import SimRuntimeConfig
from sched.sim.bounds import rate_bound
from sched.sim.figures import WorkflowTimes
from sched.sim.hardware import parse_cluster
from sched.sim.simulator import SimOptions, Simulator
from sched.traces.arrivals import draw
from sched.traces.trace_format import TraceWorkflow, read_trace
from sched.tune.autotune import AutotuneOptions, Autotuner, Recent, SettingChange
from sched.tune.tuner import PolicySetting, TuningReplay, knobs_of, tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """``phases``: (load, workflows) one after another; loads are rates over the cluster's work bound."""

    trace: str
    placement: str
    tuned: bool
    phases: tuple[tuple[float, int], ...]
    cluster: str = "hetero1"
    runtime_config: str = "default"
    ordering: str = "urgency"
    seed: int = 0

    def run(self) -> Shifted:
        """Return what the run brought."""
        workflows = self._workflows()
        simulator = self._simulator()
        live = _Live(self, simulator, workflows) if self.tuned else None
        recording = simulator.run(workflows, stop=None if live is None else live.ended)
        starts = [0]
        for _, count in self.phases:
            starts.append(starts[-1] + count)
        phases = [recording.workflows[a:b] for a, b in itertools.pairwise(starts)]
        return Shifted([tail(phase) for phase in phases], list(live.tuner.changes) if live else [])

    def _workflows(self) -> list[TraceWorkflow]:
        trace = read_trace(Path(self.trace))
        bound = rate_bound(trace, parse_cluster(self.cluster))
        found: list[TraceWorkflow] = []
        for i, (load, count) in enumerate(self.phases):
            start = found[-1].arrival if found else 0.0
            drawn = draw(trace, count, load * bound, "poisson", 100 * self.seed + i)
            for workflow in drawn:
                renamed = {"id": f"{i}/{workflow.id}", "arrival": start + workflow.arrival}
                found.append(workflow.model_copy(update=renamed))
        return found

    def _simulator(self) -> Simulator:
        return Simulator(
            parse_cluster(self.cluster),
            SimRuntimeConfig(name=self.runtime_config),
            placement_registry().load(self.placement),
            ordering_registry().load(self.ordering),
            SimOptions(),
        )


@dataclass(frozen=True, slots=True)
class Shifted:
    """The tail stretch of each phase's workflows, and the changes of setting."""

    tails: list[float]
    changes: list[SettingChange]


class _Live:
    """Tunes the policy of a running simulation, as the controller does: on what has ended and arrived."""

    def __init__(self, shift: Shift, simulator: Simulator, workflows: Sequence[TraceWorkflow]) -> None:
        self._simulator = simulator
        self._workflows = {workflow.id: workflow for workflow in workflows}
        self._arrivals = [(workflow.arrival, workflow.id) for workflow in reversed(workflows)]
        self._recent = Recent(AutotuneOptions())
        policy = placement_registry().load(shift.placement)
        self.tuner = Autotuner(PolicySetting.of(shift.placement, policy), knobs_of(policy))
        self._replay = TuningReplay(
            samples=(),
            gpus=parse_cluster(shift.cluster),
            config=SimRuntimeConfig(name=shift.runtime_config),
            ordering=ordering_registry().load(shift.ordering),
            options=SimOptions(),
            load=placement_registry().load,
        )

    def ended(self, record: WorkflowTimes) -> bool:
        """Note an end, and tune when it is time; never stops the run."""
        now = record.arrival + record.seconds
        while self._arrivals and self._arrivals[-1][0] <= now:
            at, workflow_id = self._arrivals.pop()
            self._recent.arrived(workflow_id, at)
        self._recent.ended(self._workflows[record.id])
        if self._recent.due(now):
            self._round(now)
        return False

    def _round(self, now: float) -> None:
        samples = self._recent.samples(now)
        if samples:
            verdict = self.tuner.search(*replace(self._replay, samples=samples).parts())
            if self.tuner.judge(verdict, now) is not None:
                policy = placement_registry().load(str(self.tuner.present))
                self._simulator.feed(PlacementChanged(policy))
