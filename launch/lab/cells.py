"""One cell of a sweep: a simulation, or the search for the highest rate, told by plain data."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from launch.shipped import admission_registry, ordering_registry, placement_registry
from sched.errors import ConfigError
from sched.sim.batching import SimRuntimeConfig
from sched.sim.bounds import rate_bound
from sched.sim.figures import ATTAINMENT, WARM_UP, Recording, WorkflowTimes, summarise
from sched.sim.hardware import parse_cluster
from sched.sim.simulator import SimOptions, Simulator
from sched.traces.arrivals import draw
from sched.traces.trace_format import TraceWorkflow, read_trace

_RATE_PRECISION = 1.02
_FIRST_LOAD = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A point of a sweep.

    ``load``: arrival rate over the cluster's work bound; ``rate``: workflows per second instead; neither:
    the highest rate at which 95 % meet ``slo_scale`` is searched.
    """

    trace: str
    cluster: str = "hetero1"
    placement: str = "least_work"
    ordering: str = "fcfs"
    admission: str = "always"
    runtime_config: str = "default"
    load: float | None = None
    rate: float | None = None
    seed: int = 0
    workflows: int = 400
    arrivals: str = "poisson"
    slo_scale: float = 2.0
    max_running_requests: int = 256
    kv_scale: float = 1.0
    clip_max_new_tokens: int = 4096
    window_tokens: int = 0
    early_ending: bool = False
    calibrated: bool = True

    @property
    def searches(self) -> bool:
        """Whether the highest rate is searched."""
        return self.load is None and self.rate is None

    def key(self) -> str:
        """Return what identifies the result: all settings, and the trace's contents."""
        settings = {**asdict(self), "trace": _digest(self.trace)}
        return orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode()

    def check(self) -> None:
        """Find mistakes before anything runs.

        Raises:
            ConfigError: names the flag and the remedy.
        """
        for gpu in parse_cluster(self.cluster):
            self._config().batching(gpu)
        placement_registry().load(self.placement)
        ordering_registry().load(self.ordering)
        admission_registry().load(self.admission)
        for name in (
            "load",
            "rate",
            "workflows",
            "slo_scale",
            "max_running_requests",
            "kv_scale",
            "clip_max_new_tokens",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                flag = "--" + name.replace("_", "-")
                raise ConfigError(f"{flag} must be above 0, not {value}", field=name)
        draw(_trace(self.trace), 1, 1.0, self.arrivals, self.seed)

    def run(self) -> dict[str, Any]:
        """Return the cell's figures: plain data, equal for equal cells."""
        bound = self._rate_bound()
        rate = self.rate or (self.load * bound if self.load is not None else self._highest_rate(bound))
        summary = summarise(self._simulate(rate), self.slo_scale)
        return {"rate": rate, "load": rate / bound, "rate_bound": bound, **summary.as_dict()}

    def _rate_bound(self) -> float:
        return rate_bound(_trace(self.trace), parse_cluster(self.cluster))

    def _config(self) -> SimRuntimeConfig:
        return SimRuntimeConfig(
            name=self.runtime_config,
            max_running_requests=self.max_running_requests,
            kv_scale=self.kv_scale,
            clip_max_new_tokens=self.clip_max_new_tokens,
        )

    def _highest_rate(self, bound: float) -> float:
        """Bisect the rate; a run that can't reach the attainment any more is given up."""
        low, high, rate = 0.0, bound, _FIRST_LOAD * bound
        while low == 0.0 or high / low > _RATE_PRECISION:
            if self._holds(rate):
                low = rate
            else:
                high = rate
            if high < bound / 1000:
                return high  # not even alone
            rate = (low + high) / 2
        return low

    def _holds(self, rate: float) -> bool:
        workflows = self._draw(rate)
        counted_from = workflows[int(len(workflows) * WARM_UP)].arrival
        may_miss = (1 - ATTAINMENT) * sum(w.arrival >= counted_from for w in workflows)
        missed = 0

        def hopeless(workflow: WorkflowTimes) -> bool:
            nonlocal missed
            missed += workflow.arrival >= counted_from and workflow.stretch > self.slo_scale
            return missed > may_miss

        self._simulator().run(workflows, stop=hopeless)
        return missed <= may_miss

    def _simulate(self, rate: float) -> Recording:
        return self._simulator().run(self._draw(rate))

    def _draw(self, rate: float) -> list[TraceWorkflow]:
        return draw(_trace(self.trace), self.workflows, rate, self.arrivals, self.seed)

    def _simulator(self) -> Simulator:
        return Simulator(
            parse_cluster(self.cluster),
            self._config(),
            placement_registry().load(self.placement),
            ordering_registry().load(self.ordering),
            SimOptions(
                slo_scale=self.slo_scale,
                window_tokens=self.window_tokens,
                early_ending=self.early_ending,
                calibrated=self.calibrated,
            ),
            admission=admission_registry().load(self.admission),
        )


def run_cell(cell: Cell) -> dict[str, Any]:
    """Return ``cell.run()``; what a process of a sweep executes."""
    return cell.run()


@lru_cache(maxsize=4)
def _trace(path: str) -> list[TraceWorkflow]:
    return read_trace(Path(path))


@lru_cache(maxsize=64)
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
