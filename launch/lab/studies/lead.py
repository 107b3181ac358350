"""How far ``sluice`` leads: highest rates and P95 against the baselines, HexGen-Flow's α tuned per load.

All policies have the same runtimes.  The last columns of the rates change these: our runtime configuration
(chunks of 1.2 × the ridge, mixed), and with it early ending.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.studies.base import StudyResults, StudySetting, place_name, summary, table

HELP = "highest rates and P95 of sluice and of the baselines"

ALPHAS = (0.3, 0.45, 0.6, 0.8)
LOADS = (0.1, 0.25, 0.4, 0.6, 0.8)
_OURS = ("sluice", "adaptive")
_HEXGEN = tuple((f"hexgen_flow?alpha={alpha:g}", "urgency") for alpha in ALPHAS)
_BASELINES = {
    "round_robin": ("round_robin", "fcfs"),
    "cache_aware 8/1.2": ("cache_aware_small", "fcfs"),
    "least_outstanding": ("least_outstanding", "fcfs"),
}
_Figure = tuple[str, float | None]
"""A figure as it is shown, and the ratio in it, if there is one."""


def cells(setting: StudySetting) -> list[Cell]:
    """Return the searches of highest rates and the runs at each load."""
    policies = (*_BASELINES.values(), *_HEXGEN, _OURS)
    made: list[Cell] = []
    for place in setting.places():
        made += [_with(place, policy) for policy in policies]
        made += _configured(place).values()
        at_loads = (_BASELINES["round_robin"], *_HEXGEN, _OURS)
        made += [replace(_with(place, policy), load=load) for load in LOADS for policy in at_loads]
    return setting.seeded(made)


def tables(setting: StudySetting, results: StudyResults) -> list[Table]:
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


def _tuned(results: StudyResults, cell: Cell) -> Cell:
    """Return HexGen-Flow with the α that is best at the cell's load, or has the highest rate."""
    tried = [_with(cell, policy) for policy in _HEXGEN]
    return results.best(tried, "p95") if cell.load else results.best(tried, "rate", max)


def _rates(setting: StudySetting, results: StudyResults) -> Table:
    names = (*_BASELINES, "hexgen_flow tuned", "sluice", "bound")

    def row(place: Cell) -> list[_Figure]:
        ours = _with(place, _OURS)
        rivals = [*(_with(place, policy) for policy in _BASELINES.values()), _tuned(results, place)]
        rate, bound = results.mean(ours, "rate"), results.mean(ours, "rate_bound")
        compared = [_over(results, rival, rate / results.mean(rival, "rate")) for rival in rivals]
        own = results.shown(ours, "rate", ".3f")
        return [*compared, (own, None), (f"{bound:.2f} · {bound / rate:.2f}×", None)]

    title = f"Highest rate with 95 % within S = {setting.cell.slo_scale:g}, workflows/s, and sluice over it"
    return _compared(setting, title, names, row)


def _configurations(setting: StudySetting, results: StudyResults) -> Table:
    def row(place: Cell) -> list[_Figure]:
        configured = _configured(place)
        default = results.mean(configured["SGLang's default"], "rate")
        return [_over(results, cell, results.mean(cell, "rate") / default) for cell in configured.values()]

    title = "Highest rate of sluice by runtime configuration, and over SGLang's default"
    return _compared(setting, title, tuple(_configured(setting.cell)), row)


def _latencies(setting: StudySetting, results: StudyResults) -> Table:
    def figure(ours: Cell) -> _Figure:
        tuned = _tuned(results, ours)
        theirs, mine = results.mean(tuned, "p95"), results.mean(ours, "p95")
        alpha = tuned.placement.partition("=")[2]
        return f"{theirs:.0f} ({alpha}) / {mine:.0f} = {theirs / mine:.2f}", theirs / mine

    def row(place: Cell) -> list[_Figure]:
        return [figure(replace(_with(place, _OURS), load=load)) for load in LOADS]

    title = "P95 by load, seconds: hexgen_flow tuned (its α) / sluice = ratio"
    return _compared(setting, title, [f"{load:.0%}" for load in LOADS], row)


def _over(results: StudyResults, cell: Cell, ratio: float) -> _Figure:
    return f"{results.shown(cell, 'rate', '.3f')} · {ratio:.2f}×", ratio


def _compared(
    setting: StudySetting, title: str, names: Sequence[str], row: Callable[[Cell], list[_Figure]]
) -> Table:
    """Return a table with a row of figures per place and, last, what their ratios are over all places."""
    shown = table(title, ("trace", "cluster"), names)
    rows = [row(place) for place in setting.places()]
    for place, figures in zip(setting.places(), rows, strict=True):
        shown.add_row(*place_name(place), *(text for text, _ in figures))
    columns = ([ratio for _, ratio in column if ratio is not None] for column in zip(*rows, strict=True))
    shown.add_row("geometric mean (smallest)", "", *(summary(r) if r else "" for r in columns))
    return shown


def _claim(setting: StudySetting, results: StudyResults) -> Table:
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
