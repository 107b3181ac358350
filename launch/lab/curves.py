"""Draws what tuning found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sched.errors import ConfigError
from sched.tune.tuner import Knobs, SettingOutcome


def plot(path: Path, outcomes: Sequence[SettingOutcome], knobs: Knobs, title: str) -> None:
    """Draw the tail stretch against each knob: a curve if there is one knob, else a point per setting.

    Raises:
        ConfigError: the file can't be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(3, len(knobs))
    rows = -(-len(knobs) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.2 * columns, 3.4 * rows), squeeze=False, layout="constrained"
    )
    best = min(outcomes, key=lambda outcome: outcome.tail)
    for axis, name in zip(axes.flat, knobs, strict=False):
        points = sorted((o.setting.values[name], o.tail) for o in outcomes)
        axis.plot(*zip(*points, strict=True), "o-" if len(knobs) == 1 else "o", alpha=0.7)
        axis.plot(best.setting.values[name], best.tail, "r*", markersize=14, label="best")
        axis.set(xlabel=name, ylabel="stretch of the slowest fifth")
        axis.grid(alpha=0.3)
    for axis in list(axes.flat)[len(knobs) :]:
        axis.remove()
    figure.suptitle(f"{best.setting.policy}: {title}")
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--plot {path} can't be written: {error}", field="plot") from error
    finally:
        plt.close(figure)
