"""The runs of a comparison in the simulator, and how far they are from the real ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import kendalltau

from launch.bench.peers.analysis import Measured
from launch.bench.peers.design import Work
from launch.bench.peers.intervals import Interval, Rows, interval
from launch.bench.peers.systems import System
from launch.server.config import ServerConfig
from launch.shipped import ordering_registry, placement_registry
from sched.sim.batching import SimRuntimeConfig
from sched.sim.figures import WARM_UP, WorkflowTimes, percentile
from sched.sim.simulator import SimOptions, Simulator

_UNBOUNDED_TOKENS = 10**9
"""A router holds nothing back."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A system's P95 in seconds, real and simulated; ``error``: simulated over real, less one."""

    system: str
    real: Interval
    simulated: float
    error: Interval

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How far two orders of systems agree: ranks from 1, pairs of systems in the same order, Kendall's τ.

    A pair is clear if the intervals of its real figures don't overlap.
    """

    real_rank: dict[str, int]
    simulated_rank: dict[str, int]
    pairs: int
    agreeing: int
    clear_pairs: int
    clear_agreeing: int
    tau: float


def predicted(measured: Measured, work: Work, load: float) -> list[Prediction]:
    """Return the P95 of every system at ``load``, real and simulated, over the same workflows."""
    return [_prediction(measured, work, system, load) for system in measured.systems]


def _prediction(measured: Measured, work: Work, system: System, load: float) -> Prediction:
    simulated = percentile(simulated_seconds(measured, work, system, load), 0.95)
    real = measured.seconds(system, load)

    def error(rows: Sequence[Rows]) -> float:
        return simulated / percentile(real[rows[0]].tolist(), 0.95) - 1

    return Prediction(system.name, measured.percentile(system, load), simulated, interval([len(real)], error))


def simulated_seconds(measured: Measured, work: Work, system: System, load: float) -> list[float]:
    """Return the latencies of the counted workflows of all blocks."""
    counted = list[WorkflowTimes]()
    for block in measured.blocks(load):
        workflows = simulated(work, system, load, block)
        counted += workflows[int(len(workflows) * WARM_UP) :]
    return [workflow.seconds for workflow in counted]


def simulated(work: Work, system: System, load: float, block: int) -> list[WorkflowTimes]:
    """Return a run's workflows by arrival, on the calibrated runtimes configured as the real ones are."""
    simulator = Simulator(
        work.hardware(system),
        SimRuntimeConfig(max_running_requests=work.max_running_requests),
        placement_registry().load(system.placement),
        ordering_registry().load(system.ordering),
        SimOptions(window_tokens=_UNBOUNDED_TOKENS if system.is_router else ServerConfig().window_tokens),
    )
    return simulator.run(work.simulated(system, load, block)).workflows


def same_order(predictions: Sequence[Prediction]) -> Order:
    """Return how far the simulator ranks the systems as reality does."""
    real = sorted(predictions, key=lambda p: p.real.value)
    simulated = sorted(predictions, key=lambda p: p.simulated)
    pairs = list(itertools.combinations(real, 2))
    clear = [(a, b) for a, b in pairs if a.real.high < b.real.low]
    ranks = [p.real.value for p in predictions], [p.simulated for p in predictions]
    return Order(
        real_rank={p.system: rank for rank, p in enumerate(real, 1)},
        simulated_rank={p.system: rank for rank, p in enumerate(simulated, 1)},
        pairs=len(pairs),
        agreeing=sum(a.simulated <= b.simulated for a, b in pairs),
        clear_pairs=len(clear),
        clear_agreeing=sum(a.simulated <= b.simulated for a, b in clear),
        tau=float(kendalltau(*ranks).statistic),
    )
