"""Quality and serving in one plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from launch.bench.accuracy.cell_figures import CellFigures

_APART = 0.02
_RIGHT_IN_TIME = "right answers within the deadline, per second"


def draw_accuracy(path: Path, found: Sequence[CellFigures], title: str, slo_seconds: float) -> None:
    """Write a picture: right answers in time by load and by candidates, and accuracy over latency.

    Raises:
        OSError: it can't be written.
    """
    figure = Figure(figsize=(15, 5.5), layout="constrained")
    by_load, by_candidates, quality = figure.subplots(1, 3)
    figure.suptitle(f"{title}; deadline {slo_seconds:g} s")
    _lines(by_load, found, lambda one: one.cell.system, lambda one: one.cell.load.name)
    by_load.set(xlabel="load", ylabel=_RIGHT_IN_TIME)
    _lines(
        by_candidates,
        found,
        lambda one: f"{one.cell.server}, {one.cell.load.name}",
        lambda one: "server's own" if one.cell.candidates is None else str(one.cell.candidates),
    )
    by_candidates.set(xlabel="candidates", ylabel=_RIGHT_IN_TIME)
    _quality(quality, found)
    for axes in (by_load, by_candidates, quality):
        axes.set_ylim(bottom=0)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def _lines(
    axes: Axes,
    found: Sequence[CellFigures],
    line_of: Callable[[CellFigures], str],
    place_of: Callable[[CellFigures], str],
) -> None:
    """Draw a line for each of ``line_of``, over the places of ``place_of`` in their order, with intervals."""
    places = {place: number for number, place in enumerate(dict.fromkeys(map(place_of, found)))}
    for number, line in enumerate(dict.fromkeys(map(line_of, found))):
        cells = [one for one in found if line_of(one) == line]
        rates = [one.right_in_time_per_second for one in cells]
        spread = [[r.value - r.low for r in rates], [r.high - r.value for r in rates]]
        # Side by side, or their intervals would hide each other.
        at = [places[place_of(one)] + _APART * number for one in cells]
        axes.errorbar(at, [rate.value for rate in rates], yerr=spread, marker="o", capsize=3, label=line)
    axes.set_xticks(list(places.values()), list(places))


def _quality(axes: Axes, found: Sequence[CellFigures]) -> None:
    for system in dict.fromkeys(one.cell.system for one in found):
        cells = [one for one in found if one.cell.system == system and math.isfinite(one.p95)]
        shares = [one.execution_accuracy for one in cells]
        spread = [[100 * (s.value - s.low) for s in shares], [100 * (s.high - s.value) for s in shares]]
        values = [100 * share.value for share in shares]
        axes.errorbar(
            [one.p95 for one in cells],
            values,
            yerr=spread,
            marker="o",
            capsize=3,
            linestyle=":",
            label=system,
        )
        for one, value in zip(cells, values, strict=True):
            axes.annotate(
                one.cell.load.name,
                (one.p95, value),
                xytext=(2, 3),
                textcoords="offset points",
                rotation=60,
                fontsize="x-small",
            )
    axes.set(xlabel="P95 workflow latency, s", ylabel="execution accuracy (EX), %")
