"""What a comparison's outcomes say: figures, ratios with intervals, the order of systems in simulation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from launch.bench import compare
from launch.bench.bench_cli import main
from launch.bench.peers.analysis import Measured, crossing
from launch.bench.peers.design import Run, Work
from launch.bench.peers.intervals import Interval, Rows, interval
from launch.bench.peers.simulation import Prediction, predicted, same_order, simulated
from launch.bench.peers.systems import System
from launch.bench.replay.outcome import WorkflowOutcome
from launch.bench.replay.player import PlayedItem
from tests.launch.bench.peers.peer_results import CALIBRATIONS, OUTSIDE, SYSTEMS, design, outcome, results

ROUTER, OURS = SYSTEMS


def _twice_as_slow(run: Run, items: Sequence[PlayedItem]) -> list[WorkflowOutcome]:
    """The router takes twice as long; every workflow has its own latency."""
    factor = 2.0 if run.system == ROUTER else 1.0
    random = np.random.default_rng([run.block, round(run.load * 10)])
    return [outcome(item, factor * random.uniform(1, 3) * item.base_seconds * run.load) for item in items]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    plan = design(tmp_path_factory.mktemp("comparison"))
    return Measured(results(None, plan, _twice_as_slow), SYSTEMS)


def test_paired_ratios_have_tight_intervals(measured: Measured) -> None:
    """The same workflows took exactly twice as long: the ratio is 2 whatever is drawn."""
    for load in measured.loads():
        found = measured.latency_ratio(ROUTER, OURS, load)
        assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
        own = measured.percentile(OURS, load)
        assert own.low <= own.value <= own.high
        assert own.low < own.high


def test_the_first_tenth_of_each_block_is_not_counted(measured: Measured) -> None:
    """Of two blocks of 30, 54 workflows are."""
    assert len(measured.counted(OURS, 0.5)) == 54
    found = measured.figures(OURS, 0.5)
    assert (found["workflows"], found["failed"], found["hit_rate"]) == (54, 0, 0.4)
    assert found["goodput"] > 0


def test_blocks_that_a_system_lacks_are_left_out(tmp_path: Path) -> None:
    """Rows of the same number must be the same workflow; without a common block a load isn't shown."""
    done = results(None, design(tmp_path), _twice_as_slow)
    del done.outcomes[Run(ROUTER, 0.5, 1).key]
    del done.outcomes[Run(OURS, 1.0, 0).key]
    del done.outcomes[Run(OURS, 1.0, 1).key]
    measured = Measured(done, SYSTEMS)
    assert measured.loads() == [0.5]
    assert measured.blocks(0.5) == [0]
    assert len(measured.seconds(OURS, 0.5)) == len(measured.seconds(ROUTER, 0.5)) == 27


def test_failed_workflows_are_as_slow_as_can_be(tmp_path: Path) -> None:
    """They meet no deadline and don't vanish from the percentiles."""

    def failing(_run: Run, items: Sequence[PlayedItem]) -> list[WorkflowOutcome]:
        return [outcome(item, 1.0, "timeout" if n % 2 else None) for n, item in enumerate(items)]

    measured = Measured(results(None, design(tmp_path), failing), SYSTEMS)
    assert measured.percentile(OURS, 0.5).value == 600.0
    found = measured.figures(OURS, 0.5)
    assert found["errors"] == {"timeout": found["failed"]}
    assert found["attainment"] <= 0.5


@pytest.mark.parametrize(
    ("shares", "load"),
    [
        ((1.0, 0.9), 1.5),
        ((0.95, 0.90), 1.0),
        ((0.9, 0.8), math.nan),
        ((1.0, 0.96), math.nan),
        ((0.9, 1.0), math.nan),
    ],
)
def test_the_highest_load_lies_between_measured_ones(shares: tuple[float, ...], load: float) -> None:
    """It is interpolated; what wasn't measured isn't guessed."""
    assert crossing((1.0, 2.0), shares) == pytest.approx(load, nan_ok=True)


def test_intervals_cover_the_truth_and_are_reproducible() -> None:
    """Of a mean; too few blocks have none, and neighbours are drawn together."""
    values = np.random.default_rng(0).normal(5.0, 1.0, 200)

    def mean(rows: Sequence[Rows]) -> float:
        return float(values[rows[0]].mean())

    found = interval([200], mean)
    assert found.low < 5.0 < found.high
    assert found == interval([200], mean)
    assert math.isnan(interval([10], mean).low)
    # Ten equal neighbours are one observation: the interval must be wider than of independent ones.
    values = np.repeat(np.random.default_rng(1).normal(5.0, 1.0, 20), 10)
    wide = interval([200], mean)
    values = np.random.default_rng(0).permutation(values)
    assert wide.high - wide.low > 1.5 * (lambda i: i.high - i.low)(interval([200], mean))


def test_the_order_of_systems_is_compared_pair_by_pair() -> None:
    """Only pairs whose intervals are apart tell a real difference."""

    def prediction(name: str, real: float, simulated: float) -> Prediction:
        nothing = Interval(0.0, 0.0, 0.0)
        return Prediction(name, Interval(real, real - 1, real + 1), simulated, nothing)

    found = same_order([prediction("a", 10, 11), prediction("b", 11, 10), prediction("c", 20, 30)])
    assert (found.pairs, found.agreeing) == (3, 2)
    assert (found.clear_pairs, found.clear_agreeing) == (2, 2)
    assert found.real_rank == {"a": 1, "b": 2, "c": 3}
    assert found.simulated_rank == {"b": 1, "a": 2, "c": 3}
    assert found.tau == pytest.approx(1 / 3)


def _as_simulated(plan_folder: Path, systems: Sequence[System]) -> Measured:
    """Return a comparison whose 'real' runs were made by the simulator."""
    plan = design(plan_folder)
    work = Work(plan, CALIBRATIONS, OUTSIDE)

    def play(run: Run, items: Sequence[PlayedItem]) -> list[WorkflowOutcome]:
        done = simulated(work, run.system, run.load, run.block)
        by_id = {told.id: told for told in done}
        return [outcome(item, by_id[item.workflow.id].seconds) for item in items]

    return Measured(results(plan_folder / "results.jsonl", plan, play, systems), systems)


def test_a_reality_like_the_simulator_is_predicted_without_error(tmp_path: Path) -> None:
    """The same workflows, arrivals, deadlines and policies are simulated as were measured."""
    measured = _as_simulated(tmp_path, SYSTEMS)
    work = Work(measured.design, CALIBRATIONS, OUTSIDE)
    for load in measured.loads():
        for told in predicted(measured, work, load):
            assert told.error.value == pytest.approx(0.0, abs=1e-9)
            assert told.error.low <= 0.0 <= told.error.high


def test_finished_comparisons_are_shown_and_validated_without_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From their results file both commands print tables and write figures; compare draws its plots."""
    systems = [System(name) for name in ("router:round_robin", "sluice:hexgen_flow+urgency", OURS.name)]
    _as_simulated(tmp_path, systems)
    trace, file = tmp_path / "trace.jsonl", tmp_path / "figures.json"
    flags = [
        *(str(trace), "--systems", ",".join(s.name for s in systems), "--loads", "0.5,1.0", "--blocks", "2"),
        *("--workflows", "30", "--token-scale", "1", "--results", str(tmp_path / "results.jsonl")),
    ]
    assert main(["compare", *flags, "--json", str(file), "--plots", str(tmp_path / "plots")]) == 0
    shown = capsys.readouterr().out
    assert "slowed down 3 times, tokens × 1" in shown
    cells = json.loads(file.read_text())["cells"]
    assert {(c["system"], c["load"]) for c in cells} == {
        (s.name, load) for s in systems for load in (0.5, 1.0)
    }
    assert all(("p95_over_ours" in c) == (c["system"] != OURS.name) for c in cells)
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {"slo.png", "latency.png", "gantt.png"}
    assert main(["validate", *flags, "--json", str(file)]) == 0
    assert "|error| at P95: mean 0.0%, 6 of 6 within 15%" in capsys.readouterr().out
    assert len(json.loads(file.read_text())["loads"]) == 2


def test_a_missing_router_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    design(tmp_path)
    monkeypatch.setattr(compare, "find_spec", lambda _: None)
    assert main(["compare", str(tmp_path / "trace.jsonl"), "--quick"]) == 2
    assert "pip install sglang-router" in capsys.readouterr().err


def test_validation_without_measurements_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to compare with before a comparison."""
    design(tmp_path)
    assert main(["validate", str(tmp_path / "trace.jsonl"), "--results", str(tmp_path / "none")]) == 2
    assert "measure it first" in capsys.readouterr().err
