"""The results of a sweep as a table, JSON and plots; figures over seeds are means with their range."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

import orjson
from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.sweep import Result
from sched.errors import ConfigError

Group = tuple[Cell, list[Result]]


def grouped(cells: Sequence[Cell], results: Sequence[Result]) -> list[Group]:
    """Return the results of cells that differ in their seeds alone, in order; each cell has seed 0."""
    groups: dict[Cell, list[Result]] = defaultdict(list)
    for cell, result in zip(cells, results, strict=True):
        groups[replace(cell, seed=0)].append(result)
    return list(groups.items())


def table(groups: Sequence[Group]) -> Table:
    """Return one row per group, told by the settings that differ; those that don't are the title."""
    settings = [_settings(cell) for cell, _ in groups]
    varied = [name for name in settings[0] if len({s[name] for s in settings}) > 1] or ["placement"]
    title = ", ".join(f"{name} {value}" for name, value in settings[0].items() if name not in varied)
    shown = Table(*varied, title=title, title_justify="left")
    for column in (
        "load",
        "rate/s",
        "P50 s",
        "P95 s",
        "P99 s",
        "met",
        "refused",
        "dropped",
        "95 % scale",
        "goodput/s",
        "cached",
        "queue s",
    ):
        shown.add_column(column, justify="right")
    for (_, results), told in zip(groups, settings, strict=True):
        shown.add_row(
            *(told[name] for name in varied),
            f"{mean(r['load'] for r in results):.2f}",
            _spread(results, "rate", ".3f"),
            _mean(results, "p50", ".0f"),
            _spread(results, "p95", ".0f"),
            _mean(results, "p99", ".0f"),
            _spread(results, "attainment", ".3f"),
            _share(results, "refused"),
            _share(results, "dropped"),
            _spread(results, "scale", ".2f"),
            _mean(results, "goodput", ".3f"),
            _mean(results, "hit_rate", ".1%"),
            f"{mean(_queue(r) for r in results):.2f}",
        )
    return shown


def _settings(cell: Cell) -> dict[str, str]:
    return {
        "trace": Path(cell.trace).stem,
        "cluster": cell.cluster,
        "runtimes": cell.runtime_config,
        "placement": cell.placement,
        "ordering": cell.ordering,
        "admission": cell.admission,
    }


def write_json(path: Path, cells: Sequence[Cell], results: Sequence[Result]) -> None:
    """Write every cell with its figures; equal sweeps write equal bytes.

    Raises:
        ConfigError: the file can't be written.
    """
    entries = [{"cell": asdict(c), "figures": r} for c, r in zip(cells, results, strict=True)]
    data = orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    try:
        path.write_bytes(data + b"\n")
    except OSError as error:
        raise ConfigError(f"--json {path} can't be written: {error.strerror}", field="json") from error


def plot(path: Path, groups: Sequence[Group]) -> None:
    """Draw P95 and attainment over the rate, one line per policy and setting, into an image file.

    Raises:
        ConfigError: matplotlib is not installed, or the file can't be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install matplotlib", field="plot") from error
    lines: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for cell, results in groups:
        label = ", ".join(_settings(cell).values())
        figures = ((r["rate"], r["p95"] or float("nan"), r["attainment"]) for r in results)
        rate, p95, met = (mean(column) for column in zip(*figures, strict=True))
        lines[label].append((rate, p95, met))
    figure = Figure(figsize=(11, 5), layout="constrained")
    seconds, share = figure.subplots(1, 2)
    for label, points in lines.items():
        rates, p95s, mets = zip(*sorted(points), strict=True)
        seconds.plot(rates, p95s, marker="o", label=label)
        share.plot(rates, mets, marker="o")
    seconds.set(xlabel="workflows/s", ylabel="P95 workflow latency, s", yscale="log")
    share.set(xlabel="workflows/s", ylabel=f"share within the SLO, S = {groups[0][0].slo_scale:g}")
    share.axhline(0.95, color="grey", linestyle=":")
    figure.legend(loc="outside lower center", fontsize="small")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--plot {path} can't be written: {error}", field="plot") from error


def _mean(results: Sequence[Result], name: str, digits: str) -> str:
    values = [r[name] for r in results]
    # Failed workflows never end.
    return "∞" if any(v is None for v in values) else format(mean(values), digits)


def _share(results: Sequence[Result], name: str) -> str:
    """Return the mean share of the workflows that ``name`` counts."""
    return f"{mean(r[name] / r['workflows'] for r in results):.1%}"


def _spread(results: Sequence[Result], name: str, digits: str) -> str:
    text = _mean(results, name, digits)
    values = [r[name] for r in results if r[name] is not None]
    if len(set(values)) < 2:
        return text
    return f"{text} ({format(min(values), digits)}-{format(max(values), digits)})"


def _queue(result: dict[str, Any]) -> float:
    """Return the mean seconds that a call waited."""
    stages = result["stages"].values()
    total: float = sum(s["calls"] * s["queue_seconds"] for s in stages)
    calls: int = sum(s["calls"] for s in stages)
    return total / max(1, calls)
