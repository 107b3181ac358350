"""What the runs of a comparison say: figures per system and load, and ratios between systems."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launch.bench.peers.design import Run
from launch.bench.peers.intervals import Interval, Rows, interval
from launch.bench.peers.results import PeerResults
from launch.bench.peers.systems import System
from launch.bench.replay.outcome import WorkflowOutcome
from launch.bench.replay.player import Patience
from launch.bench.replay.replay_report import figures
from sched.sim.figures import ATTAINMENT, WARM_UP, percentile

Floats = NDArray[np.float64]


class Measured:
    """The outcomes of a comparison's finished runs; the first tenth of each is not counted.

    Only blocks that all ``systems`` have at a load are used, so that rows of the same number are the same
    workflow everywhere.
    """

    def __init__(self, results: PeerResults, systems: Sequence[System]) -> None:
        self.design = results.design
        self.systems = list(systems)
        self._results = results

    def loads(self) -> list[float]:
        """Return the loads at which there is anything to compare."""
        return [load for load in self.design.loads if self.blocks(load)]

    def blocks(self, load: float) -> list[int]:
        """Return the blocks that all systems have run."""
        done = self._results.outcomes
        return [
            block
            for block in range(self.design.blocks)
            if all(_key(system, load, block) in done for system in self.systems)
        ]

    def runs(self, system: System, load: float) -> list[list[WorkflowOutcome]]:
        """Return the counted workflows of each block, by arrival."""
        found = (self._results.outcomes[_key(system, load, block)] for block in self.blocks(load))
        ordered = (sorted(run, key=lambda w: (w.arrival, w.id)) for run in found)
        return [run[int(len(run) * WARM_UP) :] for run in ordered]

    def counted(self, system: System, load: float) -> list[WorkflowOutcome]:
        """Return the counted workflows of all blocks."""
        return [workflow for run in self.runs(system, load) for workflow in run]

    def seconds(self, system: System, load: float) -> Floats:
        """Return latencies; a failed workflow counts with the longest time that one may take."""
        longest = Patience().workflow_seconds
        return np.array([longest if w.error else w.seconds for w in self.counted(system, load)])

    def stretches(self, system: System, load: float) -> Floats:
        """Return latencies over expected times; infinite for failed ones."""
        return np.array(
            [math.inf if w.error else w.seconds / w.base_seconds for w in self.counted(system, load)]
        )

    def figures(self, system: System, load: float) -> dict[str, Any]:
        """Return the figures of all blocks, as if one had followed the other."""
        shifted, offset = list[WorkflowOutcome](), 0.0
        for run in self.runs(system, load):
            first, last = run[0].arrival, run[-1].arrival
            shifted += [_at(w, w.arrival - first + offset) for w in run]
            offset += (last - first) * len(run) / max(1, len(run) - 1)
        return figures(shifted, self.design.slo_scale, warm_up=0.0)

    def percentile(self, system: System, load: float, share: float = 0.95) -> Interval:
        """Return a percentile of the latency, in seconds."""
        values = self.seconds(system, load)
        return interval([len(values)], lambda rows: percentile(values[rows[0]].tolist(), share))

    def latency_ratio(self, system: System, other: System, load: float, share: float = 0.95) -> Interval:
        """Return how many times as long ``system`` takes as ``other``, at a percentile, in pairs."""
        mine, theirs = self.seconds(system, load), self.seconds(other, load)

        def ratio(rows: Sequence[Rows]) -> float:
            chosen = rows[0]
            return percentile(mine[chosen].tolist(), share) / percentile(theirs[chosen].tolist(), share)

        return interval([len(mine)], ratio)

    def highest_load(self, system: System) -> Interval:
        """Return the load at which 95 % just meet the SLO; see :func:`crossing`."""
        return self._over_loads([system], lambda found: found[0])

    def load_ratio(self, system: System, other: System) -> Interval:
        """Return how many times ``system``'s highest load is that of ``other``, in pairs."""
        return self._over_loads([system, other], lambda found: found[0] / found[1])

    def _over_loads(self, systems: Sequence[System], combine: Callable[[Sequence[float]], float]) -> Interval:
        loads, scale = self.loads(), self.design.slo_scale
        met = [[self.stretches(system, load) <= scale for load in loads] for system in systems]

        def statistic(rows: Sequence[Rows]) -> float:
            shares = [
                [float(values[chosen].mean()) for values, chosen in zip(cells, rows, strict=True)]
                for cells in met
            ]
            return float(combine([crossing(loads, share) for share in shares]))

        return interval([len(values) for values in met[0]], statistic)


def crossing(loads: Sequence[float], shares: Sequence[float], wanted: float = ATTAINMENT) -> float:
    """Return the load at which the share of met deadlines falls below ``wanted``, between measured ones.

    nan if it is below at the least load, or nowhere: what wasn't measured isn't guessed.
    """
    for (low, met), (high, missed) in pairwise(zip(loads, shares, strict=True)):
        if met >= wanted > missed:
            return low + (high - low) * (met - wanted) / (met - missed)
        if met < wanted:
            break
    return math.nan


def _key(system: System, load: float, block: int) -> str:
    return Run(system, load, block).key


def _at(workflow: WorkflowOutcome, arrival: float) -> WorkflowOutcome:
    return replace(workflow, arrival=arrival)


def as_dict(measured: Measured, ours: System, capacity: float) -> dict[str, Any]:
    """Return all figures and ratios, cells by load; ``capacity``: workflows per second at a load of 1."""
    others = [system for system in measured.systems if system != ours]
    compares = ours in measured.systems

    def cell(system: System, load: float) -> dict[str, Any]:
        ratio = measured.latency_ratio(system, ours, load) if compares and system != ours else None
        return {
            "system": system.name,
            "load": load,
            "rate": load * capacity,
            "blocks": len(measured.blocks(load)),
            **measured.figures(system, load),
            "p95_interval": measured.percentile(system, load),
            **({"p95_over_ours": ratio} if ratio else {}),
        }

    return {
        "design": measured.design.as_dict(),
        "cells": [cell(system, load) for load in measured.loads() for system in measured.systems],
        "highest_load": {system.name: measured.highest_load(system) for system in measured.systems},
        "highest_load_of_ours_over": {s.name: measured.load_ratio(ours, s) for s in others if compares},
    }
