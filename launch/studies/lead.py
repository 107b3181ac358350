"""How far ``sluice`` leads: highest rates and P95 against the baselines, HexGen-Flow's α tuned per load.

All policies have the same runtimes.  The last columns of the rates change these: our runtime configuration
(chunks of 1.2 × the ridge, mixed), and with it early ending.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from rich.table import Table

from launch.cells import Cell
from launch.studies.base import Results, Setting, place_name, summary, table

HELP = "highest rates and P95 of sluice and of the baselines"

ALPHAS = (0.3, 0.45, 0.6, 0.8)
LOADS = (0.1, 0.25, 0.4, 0.8)
_OURS = ("sluice", "adaptive")
_HEXGEN = tuple((f"hexgen_flow?alpha={alpha:g}", "urgency") for alpha in ALPHAS)
_BASELINES = {
    "round_robin": ("round_robin", "fcfs"),
    "cache_aware 8/1.2": ("cache_aware_small", "fcfs"),
    "least_outstanding": ("least_outstanding", "fcfs"),
}


def cells(setting: Setting) -> list[Cell]:
    """Return the searches of highest rates and the runs at each load."""
    policies = (*_BASELINES.values(), *_HEXGEN, _OURS)
    made: list[Cell] = []
    for place in setting.places():
        made += [_with(place, policy) for policy in policies]
        made += _configured(place).values()
        at_loads = (_BASELINES["round_robin"], *_HEXGEN, _OURS)
        made += [replace(_with(place, policy), load=load) for load in LOADS for policy in at_loads]
    return setting.seeded(made)


def tables(setting: Setting, results: Results) -> list[Table]:
    """Return the highest rates, the ratios between them, P95 by load, and the published claim checked."""
    return [
        _rates(setting, results),
        _configurations(setting, results),
        _latencies(setting, results),
        _claim(setting, results),
    ]


def _with(cell: Cell, policy: tuple[str, str]) -> Cell:
    return replace(cell, placement=policy[0], ordering=policy[1])


def _configured(place: Cell) -> dict[str, Cell]:
    """Return the cells of ``sluice`` on differently configured runtimes."""
    ours = _with(place, _OURS)
    ridge = replace(ours, runtime_config="ridge")
    return {
        "SGLang's default": replace(ours, runtime_config="default"),
        "ours": ridge,
        "ours, early ending": replace(ridge, early_ending=True),
    }


def _tuned(results: Results, cell: Cell) -> Cell:
    """Return HexGen-Flow with the α that is best at the cell's load, or has the highest rate."""
    tried = [_with(cell, policy) for policy in _HEXGEN]
    return results.best(tried, "p95") if cell.load else results.best(tried, "rate", max)


def _rates(setting: Setting, results: Results) -> Table:
    names = (*_BASELINES, "hexgen_flow tuned", "sluice", "bound")
    shown = table(
        f"Highest rate with 95 % within S = {setting.cell.slo_scale:g}, workflows/s, and sluice over it",
        ("trace", "cluster"),
        names,
    )
    ratios: dict[str, list[float]] = defaultdict(list)
    for place in setting.places():
        ours = _with(place, _OURS)
        rivals = {name: _with(place, policy) for name, policy in _BASELINES.items()}
        rivals["hexgen_flow tuned"] = _tuned(results, place)
        row = []
        for name, rival in rivals.items():
            ratio = results.mean(ours, "rate") / results.mean(rival, "rate")
            ratios[name].append(ratio)
            row.append(f"{results.shown(rival, 'rate', '.3f')} · {ratio:.2f}×")
        bound = results.mean(ours, "rate_bound")
        row += [
            results.shown(ours, "rate", ".3f"),
            f"{bound:.2f} · {bound / results.mean(ours, 'rate'):.2f}×",
        ]
        shown.add_row(*place_name(place), *row)
    shown.add_row("geometric mean (smallest)", "", *(summary(r) for r in ratios.values()), "", "")
    return shown


def _configurations(setting: Setting, results: Results) -> Table:
    shown = table(
        "Highest rate of sluice by runtime configuration, and over SGLang's default",
        ("trace", "cluster"),
        tuple(_configured(setting.cell)),
    )
    ratios: dict[str, list[float]] = defaultdict(list)
    for place in setting.places():
        configured = _configured(place)
        default = results.mean(configured["SGLang's default"], "rate")
        row = []
        for name, cell in configured.items():
            ratios[name].append(results.mean(cell, "rate") / default)
            row.append(f"{results.shown(cell, 'rate', '.3f')} · {ratios[name][-1]:.2f}×")
        shown.add_row(*place_name(place), *row)
    shown.add_row("geometric mean (smallest)", "", *map(summary, ratios.values()))
    return shown


def _latencies(setting: Setting, results: Results) -> Table:
    shown = table(
        "P95 by load, seconds: hexgen_flow tuned (its α) / sluice = ratio",
        ("trace", "cluster"),
        [f"{load:.0%}" for load in LOADS],
    )
    ratios: dict[float, list[float]] = defaultdict(list)
    for place in setting.places():
        row = []
        for load in LOADS:
            ours = replace(_with(place, _OURS), load=load)
            tuned = _tuned(results, ours)
            theirs, mine = results.mean(tuned, "p95"), results.mean(ours, "p95")
            ratios[load].append(theirs / mine)
            alpha = tuned.placement.partition("=")[2]
            row.append(f"{theirs:.0f} ({alpha}) / {mine:.0f} = {theirs / mine:.2f}")
        shown.add_row(*place_name(place), *row)
    shown.add_row("geometric mean (smallest)", "", *map(summary, ratios.values()))
    return shown


def _claim(setting: Setting, results: Results) -> Table:
    """HexGen-Flow's claim over a round-robin FCFS server: P95 1.42-1.56 times, throughput 1.49-1.81 times."""
    shown = table(
        "HexGen-Flow tuned over round robin with FCFS (published: P95 1.42-1.56×, throughput 1.49-1.81×)",
        ("trace", "cluster"),
        [*(f"P95 at {load:.0%}" for load in LOADS), "highest rate"],
    )
    for place in setting.places():
        simple = _with(place, _BASELINES["round_robin"])
        row = []
        for load in LOADS:
            there = replace(simple, load=load)
            ratio = results.mean(there, "p95") / results.mean(_tuned(results, there), "p95")
            row.append(f"{ratio:.2f}×")
        gain = results.mean(_tuned(results, place), "rate") / results.mean(simple, "rate")
        shown.add_row(*place_name(place), *row, f"{gain:.2f}×")
    return shown
