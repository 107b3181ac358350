"""The studies' tables say what the cells' figures say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from launch.lab.cells import Cell
from launch.lab.overload_cells import OverloadCell
from launch.lab.shape_cells import MIXES, ShapeCell
from launch.lab.studies import ablation, lead, overload, queue, schema_shapes
from launch.lab.studies.base import UNENDED, StudyResults, StudySetting, summary
from launch.lab.study_cli import main
from launch.lab.sweep import Result

TRACE = "traces/hexgen_flow_formula1.jsonl"
SETTING = StudySetting((TRACE,), ("hetero1",), 2, Cell(trace="", runtime_config="mixed2048"))


def results(study: Any, figures: Callable[[Cell], Result]) -> StudyResults:
    """Make up the figures of all cells of a study; they may depend on anything but the seed."""
    return StudyResults({cell: figures(cell) for cell in study.cells(SETTING)}, SETTING.seeds)


def column(table: Table, header: str) -> list[str]:
    """Return the cells of a column."""
    (found,) = [c for c in table.columns if c.header == header]
    return [str(cell) for cell in found.cells]


def test_the_lead_is_over_the_best_alpha_of_each_load() -> None:
    """HexGen-Flow is compared with the α that is best there, by rate and by P95, and its α is told."""

    def figures(cell: Cell) -> Result:
        alpha = float(cell.placement.partition("=")[2] or 0)
        ours = cell.placement == "sluice"
        best = 0.3 if (cell.load or 0) > 0.5 else 0.8
        rate = 3.0 if ours else 2.0 - abs(alpha - 0.6)
        rate *= 2 if cell.runtime_config == "ridge" else 1
        return {"rate": rate, "p95": 100.0 if ours else 150 + 100 * abs(alpha - best), "rate_bound": 6.0}

    rates, configured, latencies, claim = lead.tables(SETTING, results(lead, figures))
    assert "2.000 (2.000-2.000) · 1.50×" in column(rates, "hexgen_flow tuned")[0]
    assert column(rates, "bound")[0] == "6.00 · 2.00×"
    assert column(configured, "ours")[0].endswith("· 2.00×")
    assert column(latencies, "40%")[0] == "150 (0.8) / 100 = 1.50"
    assert column(latencies, "80%")[0] == "150 (0.3) / 100 = 1.50"
    assert column(claim, "highest rate")[0] == "1.43×"


def test_the_shapes_stand_side_by_side() -> None:
    """A row per mix of databases: times, then tokens, of whole, linked and decided."""

    def figures(cell: Cell) -> Result:
        assert isinstance(cell, ShapeCell)
        place = ("whole", "linked", "decided").index(cell.shape)
        p95 = None if cell.mix == "20 of 20k" and place == 0 else 100.0 + place
        return {"p50": 50.0 + place, "p95": p95, "prefill_tokens": 6000.0 + place}

    (table,) = schema_shapes.tables(SETTING, results(schema_shapes, figures))
    assert column(table, "databases") == list(MIXES)
    assert column(table, "linked P50 / P95")[0] == "51 / 101"
    assert column(table, "whole P50 / P95")[list(MIXES).index("20 of 20k")] == "50 / ∞"
    assert column(table, "decided tokens")[0] == "6,002"


def test_the_queues_map_tells_the_worst_change() -> None:
    """The change against fcfs is told per regime; where workflows never end, so is that."""

    def figures(cell: Cell) -> Result:
        slots = cell.max_running_requests == 8 and cell.load == 1.0
        if cell.kv_scale < 1:
            return {"p95": None}
        return {"p95": 80.0 if slots and cell.ordering == "adaptive" else 100.0}

    (shown,) = queue.tables(SETTING, results(queue, figures))
    changes = dict(zip(column(shown, "regime"), column(shown, "100%"), strict=True))
    assert changes["8 slots"] == "-20.0%"
    assert changes["KV a quarter"] == "∞"
    assert shown.caption == "from -20.0% to +0.0%"


def test_the_ablation_is_over_the_whole() -> None:
    """Every part's absence is a row, told by how much longer the 95 % stretch is."""

    def figures(cell: Cell) -> Result:
        return {"scale": 1.5 if cell.placement == "sluice?harm=0" else 1.0}

    (shown,) = ablation.tables(SETTING, results(ablation, figures))
    rows = dict(zip(column(shown, "without"), column(shown, "40%"), strict=True))
    assert rows["the others' delay (harm 0)"] == "1.50 (≥ 1.50)"
    assert rows["our order (fcfs)"] == "1.00 (≥ 1.00)"


def test_every_ablated_policy_is_another_one() -> None:
    """No row of the ablation repeats the whole under another name."""
    cells = {replace(cell, load=None, seed=0) for cell in ablation.cells(SETTING)}
    assert (
        len(cells)
        == len(column(ablation.tables(SETTING, results(ablation, lambda _: {"scale": 1}))[0], "without")) + 1
    )


def test_a_summary_leaves_out_what_never_ended() -> None:
    """Ratios to something infinite don't count."""
    assert summary([2.0, 8.0, UNENDED]) == "4.00 (≥ 2.00)"
    assert summary([UNENDED]) == "∞"


def test_the_command_runs_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal commands print equal tables, the second one from the file of results."""
    command = ["ablation", TRACE, "--cluster", "a100", "--seeds", "1", "--workflows", "12", "--jobs", "1"]
    command += ["--results", str(tmp_path / "done.jsonl")]
    printed = []
    for _ in range(2):
        assert main(command) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "| our order (fcfs)" in printed[0]


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing trace is one sentence and exit code 2."""
    assert main(["queue", "/nowhere.jsonl"]) == 2
    assert "the trace /nowhere.jsonl can't be read" in capsys.readouterr().err


def test_overload_is_told_beside_the_load_that_is_sustained() -> None:
    """Goodput with its share of that at load 1, P95 of what was answered, what was refused and ended."""

    def figures(cell: Cell) -> Result:
        assert isinstance(cell, OverloadCell)
        collapsed = cell.admission == "always" and cell.offered > 1
        counts = {"workflows": 200, "refused": 50 if cell.offered > 1 and not collapsed else 0, "dropped": 1}
        return {"goodput": 0.1 if collapsed else min(0.5, cell.offered / 2), "p95": 80.0, **counts}

    goodput, p95, shed = overload.tables(SETTING, results(overload, figures))
    assert column(goodput, "admission") == ["always", "slo_aware"]
    assert column(goodput, "3×") == ["0.100 · 0.20×", "0.500 · 1.00×"]
    assert column(goodput, "0.3×")[1] == "0.150 · 0.30×"
    assert column(p95, "1×") == ["80", "80"]
    assert column(shed, "2×") == ["0.0% / 0.5%", "25.0% / 0.5%"]


def test_studies_of_policies_refuse_nothing() -> None:
    """Only the study of overload has runs with another admission than ``always``."""
    for study in (ablation, lead, queue, schema_shapes):
        assert {cell.admission for cell in study.cells(SETTING)} == {"always"}
    assert {cell.admission for cell in overload.cells(SETTING)} == {"always", "slo_aware"}
