"""The comparison's plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from launch.bench.peers.analysis import Measured
from launch.bench.peers.systems import System
from launch.bench.replay.outcome import CallOutcome
from sched.sim.figures import ATTAINMENT, percentile

_WINDOW_SECONDS = 60.0
"""Of the Gantt chart, from the middle of a run."""


def draw(folder: Path, measured: Measured, ours: System, capacity: float) -> list[Path]:
    """Write ``slo.png``, ``latency.png`` and ``gantt.png``; return their paths.

    Raises:
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "slo.png": _slo(measured),
        "latency.png": _latency(measured, capacity),
        "gantt.png": _gantt(measured, ours),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=110)
    return [folder / name for name in figures]


def _slo(measured: Measured) -> Figure:
    loads = measured.loads()
    figure = Figure(figsize=(5 * len(loads), 5), layout="constrained")
    for axes, load in zip(np.atleast_1d(figure.subplots(1, len(loads))), loads, strict=True):
        for system in measured.systems:
            stretches = np.sort(measured.stretches(system, load))
            shares = np.arange(1, len(stretches) + 1) / len(stretches)
            ended = np.isfinite(stretches)
            axes.step(stretches[ended], shares[ended], where="post", label=system.name)
        axes.axhline(ATTAINMENT, color="grey", linestyle=":")
        axes.set(
            title=f"load {load:g}", xlabel="SLO scale", ylabel="share of workflows within it", xscale="log"
        )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _latency(measured: Measured, capacity: float) -> Figure:
    figure = Figure(figsize=(11, 5), layout="constrained")
    loads = measured.loads()
    rates = [load * capacity for load in loads]
    for axes, share in zip(figure.subplots(1, 2), (0.5, 0.95), strict=True):
        for system in measured.systems:
            values = [percentile(measured.seconds(system, load).tolist(), share) for load in loads]
            axes.plot(rates, values, marker="o", label=system.name)
        axes.set(xlabel="workflows/s", ylabel=f"P{share * 100:.0f} workflow latency, s", yscale="log")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _gantt(measured: Measured, ours: System) -> Figure:
    """Show which stages ran where: the first system and ours, amid the highest load's first run."""
    last = ours if ours in measured.systems else measured.systems[-1]
    shown = list(dict.fromkeys((measured.systems[0], last)))
    figure = Figure(figsize=(13, 4 * len(shown)), layout="constrained")
    load = measured.loads()[-1]
    stages: dict[str, str] = {}
    for axes, system in zip(np.atleast_1d(figure.subplots(len(shown), 1)), shown, strict=True):
        calls = [
            call for workflow in measured.runs(system, load)[0] for call in workflow.calls if not call.error
        ]
        middle = float(np.median([call.ready for call in calls]))
        begin = max(0.0, middle - _WINDOW_SECONDS / 2)
        end = min(begin + _WINDOW_SECONDS, max(call.ready + call.seconds for call in calls))
        _lanes(axes, [c for c in calls if begin <= c.ready + c.seconds and c.ready <= end], stages)
        axes.set(title=f"{system.name}, load {load:g}", xlabel="s", xlim=(begin, end))
    handles = [axes.barh(0, 0, color=color, label=stage) for stage, color in stages.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
    return figure


def _lanes(axes: Axes, calls: Sequence[CallOutcome], stages: dict[str, str]) -> None:
    """Draw every call on a free lane of its runtime, from when its prefill began (pale: it waited)."""
    ends: dict[str, list[float]] = {}
    bars: list[tuple[str, int, CallOutcome]] = []
    for call in sorted(calls, key=lambda c: c.ready):
        lanes = ends.setdefault(call.runtime, [])
        lane = next((i for i, end in enumerate(lanes) if end <= call.ready), len(lanes))
        lanes[lane : lane + 1] = [call.ready + call.seconds]
        bars.append((call.runtime, lane, call))
    bottoms, bottom = dict[str, int](), 0
    for runtime in sorted(ends):
        bottoms[runtime], bottom = bottom, bottom + len(ends[runtime]) + 1
    for runtime, lane, call in bars:
        color = stages.setdefault(call.stage, f"C{len(stages) % 10}")
        waited, row = call.queue_seconds or 0.0, bottoms[runtime] + lane
        axes.barh(row, waited, left=call.ready, color=color, alpha=0.25)
        axes.barh(row, max(0.0, call.seconds - waited), left=call.ready + waited, color=color)
    axes.set_yticks([bottoms[runtime] for runtime in bottoms], list(bottoms))
