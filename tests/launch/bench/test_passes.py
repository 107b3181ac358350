"""The bench of forward passes, without a runtime: what it asks for, and what it says of passes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from engine.wire.worker_spec import WorkerSpec
from launch.bench.bench_cli import main
from launch.bench.passes import add_arguments, errors, grid_of, rides
from sched.predict.speed import Pass, Speed

SPEED = Speed(prefill=1e-4, decode=0.02, overhead=0.001)


def decoded(calls: int, each: int, seconds: float, tokens: int = 0) -> Pass:
    return Pass(bool(tokens), tokens, 0.0, 0.0, calls, calls * each, seconds)


def test_passes_are_told_by_what_rode_on_them() -> None:
    """Medians by calls and context, with a few tokens more or less; not of batches without a rider."""
    passes = [
        *(decoded(8, 512, seconds) for seconds in (0.01, 0.02, 0.09)),
        decoded(8, 560, 0.03, tokens=64),
        decoded(16, 512, 0.01),
        Pass(1, 64, 0.0, 0.0, 0, 0, 0.01),
    ]
    assert rides(passes) == {(8, 512): {0: 0.02, 64: 0.03}}


def test_the_error_of_the_fit_is_told_by_kind() -> None:
    """As a share of what was measured, at the median and the 90th percentile."""
    step, prefill = decoded(1, 10, 0.04), Pass(1, 90, 0.0, 0.0, 0, 0, 0.01)
    found = errors(SPEED, [step, step, prefill])
    assert found["decode"] == pytest.approx((2, 0.5, 0.5))
    assert found["prefill"] == pytest.approx((1, 0.0, 0.0))
    assert "mixed" not in found


def test_the_flags_make_a_grid_that_reaches_the_worker() -> None:
    """Every batch carries riders, no prompt shares another's beginning, and JSON keeps it all."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    grid = grid_of(parser.parse_args(["--batches", "64,8", "--riders", "32", "--contexts", "512"]))
    assert (grid.batches, grid.carriers, grid.shared) == ((8, 64), (8, 64), False)
    assert {(32, 0), (64, 512)} <= set(grid.prefills)
    spec = WorkerSpec(name="r", endpoint="", model_path="m", device="cuda", grid=grid)
    assert WorkerSpec.from_json(spec.to_json()) == spec


def test_a_kept_file_is_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    """With the error, what riders cost, and a row for the hardware table."""
    assert main(["passes", "--from", str(Path("traces/calibration_cpu.json"))]) == 0
    shown = capsys.readouterr().out
    assert "223 passes" in shown
    assert "Gpu(name='NAME', flops=" in shown
