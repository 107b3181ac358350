"""Learning a runtime's speed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched.predict.latency import LatencyModel


def test_seconds_are_linear_in_tokens() -> None:
    """Prefill and decode add up."""
    model = LatencyModel(prefill=0.001, decode=0.02)
    assert model.service_seconds(500, 10) == pytest.approx(0.7)
    assert model.service_seconds(0, 0) == 0.0


@pytest.mark.parametrize("factor", [0.1, 1.0, 30.0])
def test_it_learns_a_runtimes_speed(factor: float) -> None:
    """From repeated answers the rates converge, for slow and fast runtimes alike."""
    model = LatencyModel()
    prefill, decode = factor / 4000, factor / 80
    for _ in range(80):
        ttft = 400 * prefill
        model.observe(400, 21, ttft, ttft + 20 * decode, alone=True)
    assert model.prefill_seconds_per_token == pytest.approx(prefill, rel=0.02)
    assert model.decode_seconds_per_token == pytest.approx(decode, rel=0.02)
    assert model.observations == 80


def test_a_wait_is_not_prefill() -> None:
    """A time to first token beside other calls says nothing about prefill, only about decoding."""
    model = LatencyModel(prefill=0.001, decode=0.01)
    model.observe(400, 11, 60.0, 60.2, alone=False)
    assert model.prefill_seconds_per_token == 0.001
    assert model.decode_seconds_per_token == pytest.approx(0.0115)


@pytest.mark.parametrize(
    ("uncached", "output", "ttft", "total"), [(5, 1, 0.5, 0.5), (-3, 0, 0.0, 0.0), (400, 5, 0.0, 0.0)]
)
def test_answers_that_say_nothing_are_not_learned(
    uncached: int, output: int, ttft: float, total: float
) -> None:
    """Nearly cached prompts, single tokens and empty times leave the rates alone."""
    model = LatencyModel(prefill=0.001, decode=0.01)
    model.observe(uncached, output, ttft, total, alone=True)
    assert (model.prefill_seconds_per_token, model.decode_seconds_per_token) == (0.001, 0.01)


def test_one_stall_does_not_spoil_it() -> None:
    """A single answer a thousand times slower moves the rates by less than half."""
    model = LatencyModel(prefill=0.001, decode=0.01)
    model.observe(400, 11, 400.0, 500.0, alone=True)
    assert 0.001 < model.prefill_seconds_per_token < 0.0015
    assert 0.01 < model.decode_seconds_per_token < 0.015


@given(
    st.lists(
        st.tuples(
            st.integers(-100, 10_000),
            st.integers(0, 2000),
            st.floats(0, 1e6),
            st.floats(0, 1e6),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_rates_stay_positive_and_finite(
    answers: list[tuple[int, int, float, float, bool]],
) -> None:
    """No sequence of reports makes a rate zero, negative or absurd."""
    model = LatencyModel()
    for uncached, output, ttft, rest, alone in answers:
        model.observe(uncached, output, ttft, ttft + rest, alone=alone)
    assert 0 < model.prefill_seconds_per_token < 1e9
    assert 0 < model.decode_seconds_per_token < 1e9
