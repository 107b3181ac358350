"""What a comparison runs: systems, loads and blocks, and the order that pairs them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from launch.bench.peers.systems import System
from launch.bench.replay.player import PlayedItem, priced
from launch.bench.replay.token_prompts import scaled
from sched.predict.calibration import Calibration
from sched.sim.bounds import stage_seconds
from sched.sim.hardware import FLOP_PER_TOKEN, Gpu, gpu_of
from sched.sim.prompt_chains import shared_tokens
from sched.traces.arrivals import draw
from sched.traces.trace_format import TraceWorkflow, read_trace

_KIND = "external"
"""Of workflows that agents outside the server run; what is learned is learned by kind."""
_HOST_SHARE = 0.5
"""Of what a call spends outside passes, the share that takes its runtime's time, on whose core a CPU server's
other processes, routers and clients run as well.  Assumed: lone calls don't tell it from waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The runs of a comparison.

    ``loads``: arrival rates, as multiples of what the runtimes do if each runs its calls one by one with
    shared prefixes cached.  ``blocks`` times ``workflows`` are run per system and load; a block has the same
    arrivals for all systems.  ``slo_scale``: deadlines over expected times.  ``slowdown``: of the second
    runtime.  ``config``: a server's configuration file, whose runtimes are then used instead of such a pair.
    """

    trace: str
    loads: tuple[float, ...]
    blocks: int
    workflows: int
    arrivals: str = "poisson"
    token_scale: float = 0.05
    slo_scale: float = 3.0
    slowdown: float = 3.0
    model_path: str | None = None
    config: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what tells whether results belong to it; the trace by its contents."""
        # More blocks and other loads may be added to results.
        varied = ("loads", "blocks", "trace", "config")
        told = {name: value for name, value in asdict(self).items() if name not in varied}
        files = {"trace": self.trace} | ({"config": self.config} if self.config else {})
        return told | {name: _contents(Path(path)) for name, path in files.items()}

    @property
    def runtimes(self) -> str:
        """What it runs on, in words."""
        if self.config:
            return f"runtimes of {self.config}"
        return f"second runtime slowed down {self.slowdown:g} times"


def _contents(file: Path) -> str:
    return f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a comparison."""

    system: System
    load: float
    block: int

    @property
    def key(self) -> str:
        """What identifies its result."""
        return f"{self.system.name} load={self.load:g} block={self.block}"


def runs(design: Design, systems: Sequence[System]) -> list[Run]:
    """Return the runs, interleaved: all systems at a load before the next, each time another one first."""
    found = []
    turn = 0
    for block in range(design.blocks):
        for load in design.loads:
            shift = turn % len(systems)
            found += [Run(system, load, block) for system in (*systems[shift:], *systems[:shift])]
            turn += 1
    return found


class Work:
    """The workflows of a comparison on calibrated runtimes: when they arrive and what they should take.

    ``outside``: seconds of a call outside forward passes, by kind of system (``peers/doors.py``).
    """

    def __init__(
        self, design: Design, calibrations: Mapping[str, Calibration], outside: Mapping[str, float]
    ) -> None:
        self._design = design
        self._outside = outside
        self.gpus = tuple(
            gpu_of(name, found.speed, found.max_total_tokens, found.chunk_tokens)
            for name, found in calibrations.items()
        )
        self._slowdowns = [float(found.key.get("slowdown", 1.0)) for found in calibrations.values()]
        self.max_running_requests = min(found.max_running_requests for found in calibrations.values())
        self._trace = scaled(read_trace(Path(design.trace)), design.token_scale)
        self.capacity = lone_rate(self._trace, self.gpus)
        """Workflows per second at a load of 1."""

    def items(self, load: float, block: int) -> list[PlayedItem]:
        """Return the workflows of a block with their expected times and deadlines, for all systems alike."""
        workflows = self._drawn(load, block)
        return priced(workflows, stage_seconds(workflows, self.gpus), self._design.slo_scale)

    def simulated(self, system: System, load: float, block: int) -> list[TraceWorkflow]:
        """Return them as the simulator should run them: what a call spends outside forward passes without
        taking a runtime's time is added to its SQL."""
        elsewhere = (1 - _HOST_SHARE) * self._outside[system.kind]

        def slower(item: PlayedItem) -> TraceWorkflow:
            calls = [c.model_copy(update={"sql": c.sql + elsewhere}) for c in item.workflow.calls]
            told = {"calls": tuple(calls), "slo_seconds": item.slo_seconds, "kind": _KIND}
            return item.workflow.model_copy(update=told)

        return [slower(item) for item in self.items(load, block)]

    def hardware(self, system: System) -> tuple[Gpu, ...]:
        """Return the runtimes as the simulator should have them behind ``system``.

        A pass that others interrupt takes longer, and a slowdown multiplies all that a pass takes.
        """
        host = _HOST_SHARE * self._outside[system.kind]
        runtimes = zip(self.gpus, self._slowdowns, strict=True)
        return tuple(replace(gpu, host_seconds=host * slowdown) for gpu, slowdown in runtimes)

    def _drawn(self, load: float, block: int) -> list[TraceWorkflow]:
        design = self._design
        return draw(self._trace, design.workflows, load * self.capacity, design.arrivals, block)


def lone_rate(workflows: Sequence[TraceWorkflow], gpus: Sequence[Gpu]) -> float:
    """Return the workflows per second if every runtime ran calls one by one, shared prefixes cached."""
    # A second lap with fresh questions finds what workflows share, and nothing of their own.
    lap = [workflow.model_copy(update={"id": f"{workflow.id} again"}) for workflow in workflows]
    calls = sum(len(workflow.calls) for workflow in workflows)
    seconds = dict.fromkeys(range(len(gpus)), 0.0)
    for place, (call, cached) in enumerate(shared_tokens([*workflows, *lap])):
        if place < calls:
            continue
        new = max(1, call.prompt_tokens - cached)
        context = call.prompt_tokens + call.output / 2
        for index, gpu in enumerate(gpus):
            prefill = gpu.prefill_flop(new, call.prompt_tokens - new) / gpu.flops + gpu.overhead_seconds
            step = gpu.iteration_seconds(FLOP_PER_TOKEN, context)
            seconds[index] += prefill + (call.output - 1) * step
    return sum(len(workflows) / spent for spent in seconds.values())
