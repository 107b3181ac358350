"""Speeds fitted to measured passes, and followed online."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched.errors import ConfigError
from sched.predict.calibration import Calibration, fit, fit_error
from sched.predict.latency import LatencyModel
from sched.predict.prompt_sums import Prompt, PromptSums
from sched.predict.speed import Chunks, Pass, Speed

CPU = Speed(
    prefill=2e-4, decode=0.011, kv=2e-6, overhead=0.008, call=1e-3, attention=5e-8, padded=2e-8, hidden=0.0
)
GPU = Speed(prefill=2.2e-4, decode=0.0285, kv=5.8e-8, overhead=0.003)


def prefill(uncached: int, cached: int = 0, calls: int = 0, context: int = 0) -> Pass:
    reach, square = uncached * (cached + uncached / 2), float((cached + uncached) ** 2)
    return Pass(1, uncached, reach, square, calls, context, 0.0)


def step(calls: int, context: int) -> Pass:
    return Pass(0, 0, 0.0, 0.0, calls, context, 0.0)


def measured(speed: Speed, passes: list[Pass], noise: float = 0.0) -> list[Pass]:
    """Return the passes as long as ``speed`` says, and up to ``noise`` of that longer or shorter."""
    rng = random.Random(0)
    return [p._replace(seconds=speed.pass_seconds(p) * (1 + noise * rng.uniform(-1, 1))) for p in passes]


GRID = [
    *(prefill(u, p) for u in (64, 256, 512, 1024) for p in (0, 512, 1024)),
    *(step(n, n * tokens) for n in (1, 2, 4, 8, 16) for tokens in (64, 512, 1024)),
]
MIXED = [prefill(u, 0, 4, 400) for u in (32, 64, 128, 256)]


def test_a_fit_finds_the_rates() -> None:
    """Passes without noise give back every rate of a runtime on a CPU."""
    found = fit(measured(CPU, [*GRID, *MIXED]))
    for name in ("prefill", "decode", "kv", "overhead", "call", "attention", "padded"):
        assert getattr(found, name) == pytest.approx(getattr(CPU, name), rel=1e-3), name
    assert found.hidden == pytest.approx(0.0, abs=1e-6)


def test_disturbed_passes_are_left_out() -> None:
    """Noise of a tenth and some passes that took five times as long leave the fit within a tenth."""
    passes = measured(CPU, GRID * 3, noise=0.1)
    passes += [p._replace(seconds=5 * p.seconds) for p in passes[::9]]
    assert fit_error(fit(passes), measured(CPU, GRID)) < 0.1


@pytest.mark.parametrize("hidden", [0.0, 0.4, 1.0])
def test_mixed_passes_tell_what_is_hidden(hidden: float) -> None:
    """What mixing saves is found from mixed passes."""
    speed = replace(CPU, hidden=hidden)
    assert fit(measured(speed, [*GRID, *MIXED])).hidden == pytest.approx(hidden, abs=0.02)


def test_too_few_passes_are_refused() -> None:
    """A speed isn't made up from two steps."""
    with pytest.raises(ValueError, match="too few"):
        fit(measured(CPU, [step(1, 64), step(2, 128)]))


def test_a_ridge_sets_the_prefill_budget() -> None:
    """1.2 times the ridge where mixing hides prefill; nothing where it doesn't, or there is no ridge."""

    def budget(speed: Speed, passes: Sequence[Pass] = MIXED) -> int:
        return Calibration(
            key={},
            speed=speed,
            max_total_tokens=1,
            max_running_requests=1,
            chunk_tokens=1,
            error=0.0,
            passes=passes,
        ).budget_tokens

    assert budget(GPU) == round(1.2 * 0.0255 / 2.2e-4)
    assert budget(replace(GPU, hidden=0.2)) == 0
    assert budget(GPU, passes=()) == 0, "mixing was not measured"
    assert budget(CPU) == 0


def test_a_calibration_survives_its_file() -> None:
    """Plain data and back; something else is refused with a reason."""
    passes = measured(CPU, GRID)
    made = Calibration(
        key={"model": "m"},
        speed=fit(passes),
        max_total_tokens=65536,
        max_running_requests=16,
        chunk_tokens=2048,
        error=0.01,
        passes=passes,
    )
    again = Calibration.from_dict(made.as_dict())
    assert (again.speed, again.key, again.chunk_tokens) == (made.speed, made.key, made.chunk_tokens)
    assert again.passes[3].seconds == pytest.approx(passes[3].seconds, abs=1e-6)
    with pytest.raises(ConfigError, match="no calibration"):
        Calibration.from_dict({})
    with pytest.raises(ConfigError, match="unknown"):
        Calibration.from_dict({**made.as_dict(), "format": "other"})


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_passes_under_load_teach_a_changed_speed(factor: float) -> None:
    """A runtime that becomes slower (or faster) is followed within some hundred passes, from passes alone."""
    slow = Speed(*(x * factor for x in (CPU.prefill, CPU.decode, CPU.kv, CPU.overhead, CPU.call)))
    model = LatencyModel.calibrated(CPU)
    passes = measured(slow, GRID, noise=0.1)
    for _ in range(12):
        random.Random(1).shuffle(passes)
        model.observe_passes(passes)
    for n, context in ((1, 300), (8, 4000)):
        assert model.step_seconds(n, context) == pytest.approx(slow.step_seconds(n, context), rel=0.15)
    beside = PromptSums([Prompt(512, 512)])
    assert model.prompts_seconds(beside) == pytest.approx(slow.prefill_seconds(512, 512), rel=0.25)


def test_one_stalled_pass_changes_little() -> None:
    """A pass a thousand times longer than expected moves a prediction by a twentieth at most."""
    model = LatencyModel.calibrated(CPU)
    before = model.step_seconds(4, 400)
    model.observe_passes([step(4, 400)._replace(seconds=1000 * before)])
    assert before < model.step_seconds(4, 400) <= 1.06 * before


def test_mixed_passes_shift_what_shows() -> None:
    """With everything hidden, mixed passes longer than expected are put down to the longer part."""
    model = LatencyModel.calibrated(GPU, Chunks(128, mixed=True))
    before = model.prefill_seconds_per_token
    model.observe_passes([prefill(64, 0, 8, 8000)._replace(seconds=0.05)] * 20)
    assert model.prefill_seconds_per_token == before
    assert model.step_seconds(8, 8000) > 0.04


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(0, 5000),
            st.integers(0, 9000),
            st.integers(0, 64),
            st.floats(0, 1e5),
        ),
        max_size=40,
    )
)
def test_no_passes_make_a_rate_absurd(found: list[tuple[int, int, int, int, float]]) -> None:
    """Whatever is reported, predictions stay positive and finite."""
    model = LatencyModel.calibrated(CPU)
    for requests, uncached, cached, calls, seconds in found:
        done = prefill(uncached, cached, calls, calls * 100)
        model.observe_passes([done._replace(requests=requests, seconds=seconds)])
    assert 0 < model.step_seconds(4, 400) < 1e6
    assert 0 < model.prompts_seconds(PromptSums([Prompt(400, 100)])) < 1e6
