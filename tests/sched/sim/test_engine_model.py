"""A simulated runtime behaves as SGLang's scheduler does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sched.order import queue_position
from sched.sim.decode_run import DecodeRun
from sched.sim.hardware import FLOP_PER_TOKEN
from sched.sim.running_batch import RunningBatch, SimRequest
from tests.sched.sim.sim_factories import A100, decode_seconds, engine, pieces, prefill_seconds, request, run


def test_a_lone_request_takes_its_chunks_and_then_its_tokens() -> None:
    """640 tokens in chunks of 512; the last one brings the first token, each step one more."""
    log = run(engine(), [(0.0, request(1, 640, 3))])
    first = prefill_seconds(512) + prefill_seconds(128, 512)
    assert log.first[1] == pytest.approx(first)
    assert log.finished[1] == pytest.approx(first + decode_seconds(640) + decode_seconds(641))


def test_a_host_that_shares_the_core_takes_its_time_once_per_call() -> None:
    """Outside passes: the first token comes so much later, and the passes that are reported don't show it."""
    model = engine()
    model.gpu = replace(A100, host_seconds=0.25)
    log = run(model, [(0.0, request(1, 640, 3))])
    first = prefill_seconds(512) + prefill_seconds(128, 512)
    assert log.first[1] == pytest.approx(first + 0.25)
    assert log.finished[1] == pytest.approx(first + 0.25 + decode_seconds(640) + decode_seconds(641))
    assert sum(p.seconds for p in model.passes.take() if p.requests) == pytest.approx(first)


def test_a_single_token_ends_with_the_prefill() -> None:
    """An output of one token needs no decode step."""
    log = run(engine(), [(0.0, request(1, 64, 1))])
    assert log.finished[1] == log.first[1] == pytest.approx(prefill_seconds(64))


@pytest.mark.parametrize("mixed", [False, True])
def test_a_prefill_stops_decoding_unless_chunks_are_mixed(mixed: bool) -> None:
    """By default a whole prompt passes before the next token; mixed chunks carry one token each."""
    alone = run(engine(), [(0.0, request(1, 64, 100))]).finished[1]
    model = engine(enable_mixed_chunk=mixed)
    log = run(model, [(0.0, request(1, 64, 100)), (1.0, request(2, 5120, 2))])
    prompt = sum(prefill_seconds(512, done) for done in range(0, 5120, 512))
    # A chunk holds 511 tokens beside the decode, so eleven chunks carry eleven tokens.
    carried = 11 * decode_seconds(100) if mixed else 0.0
    assert log.finished[1] - alone == pytest.approx(prompt - carried, abs=1.5 * decode_seconds(100))


def test_a_mixed_chunk_includes_the_running_decodes() -> None:
    """With as many decodes as chunk tokens no prompt gets in, unless the chunk is over the decodes."""

    def times(over: bool) -> tuple[float, float]:
        arrivals = [(0.0, request(i, 64, 200)) for i in range(1, 9)] + [(2.0, request(9, 64, 2))]
        log = run(engine(enable_mixed_chunk=True, chunked_prefill_size=8, chunk_over_decodes=over), arrivals)
        return log.first[9], log.finished[1]

    late, first_end = times(over=False)
    assert late > first_end
    late, first_end = times(over=True)
    assert late < first_end


def test_the_queue_is_sorted_at_each_admission() -> None:
    """A call that is more urgent overtakes those that came before it and still wait."""
    model = engine(max_running_requests=1)
    arrivals = [(0.0, request(i, 64, 20)) for i in (1, 2, 3)]
    arrivals.append((0.1, request(4, 64, 20, position=queue_position(-1.0, 4))))
    log = run(model, arrivals)
    assert sorted(log.finished, key=log.finished.__getitem__) == [1, 4, 2, 3]


def test_a_chunked_request_goes_before_a_more_urgent_one() -> None:
    """A prefill in progress is not overtaken."""
    urgent = request(2, 64, 2, position=queue_position(-1.0, 2))
    log = run(engine(), [(0.0, request(1, 2048, 2)), (0.01, urgent)])
    assert log.first[1] <= log.first[2]


def test_max_running_requests_holds() -> None:
    """The third request starts when one of two has ended."""
    log = run(engine(max_running_requests=2), [(0.0, request(i, 64, 10 * i)) for i in (1, 2, 3)])
    assert log.first[2] < log.finished[1] < log.first[3]


@given(
    requests=st.integers(1, 300),
    kv_tokens=st.integers(0, 150_000),
    steps=st.integers(1, 60),
    share=st.floats(0, 1),
)
def test_a_run_of_steps_is_the_sum_of_its_steps(
    requests: int, kv_tokens: int, steps: int, share: float
) -> None:
    """The closed form equals adding iterations up, whether compute or memory bounds them."""
    decode = DecodeRun(A100, requests, kv_tokens)
    ends = [0.0]
    for step in range(steps):
        kv = kv_tokens + step * requests
        ends.append(ends[-1] + A100.iteration_seconds(requests * FLOP_PER_TOKEN, kv))
    assert [decode.seconds(k) for k in range(1, steps + 1)] == pytest.approx(ends[1:])
    moment = share * ends[-1] * (1 - 1e-9)
    found = decode.steps_by(moment, steps)
    assert decode.seconds(found) >= moment
    assert found == 1 or decode.seconds(found - 1) < moment


_arrivals = st.lists(
    st.tuples(st.floats(0, 6), st.integers(1, 20), st.integers(1, 120), st.integers(0, 3)),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("mixed", [False, True])
@settings(max_examples=60, deadline=None)
@given(drawn=_arrivals, slots=st.integers(1, 8), room=st.sampled_from([2400, 4000, 100_000]))
def test_stepping_over_many_iterations_changes_nothing(
    mixed: bool, drawn: list[tuple[float, int, int, int]], slots: int, room: int
) -> None:
    """Collapsed runs of decoding give the same times as stepping one iteration after another."""

    def times(monkeypatch: pytest.MonkeyPatch | None) -> dict[int, float]:
        arrivals: list[tuple[float, SimRequest]] = sorted(
            (
                (time, request(i, 64 * blocks, output, pieces=pieces(family, 64 * blocks)))
                for i, (time, blocks, output, family) in enumerate(drawn, 1)
            ),
            key=lambda pair: (pair[0], pair[1].call_id),
        )
        model = engine(enable_mixed_chunk=mixed, max_running_requests=slots, max_total_tokens=room)
        if monkeypatch is not None:
            monkeypatch.setattr(RunningBatch, "steps_to_end", lambda self: 1)
        return run(model, arrivals).finished

    collapsed = times(None)
    with pytest.MonkeyPatch.context() as patch:
        stepped = times(patch)
    assert set(collapsed) == set(stepped) == set(range(1, len(drawn) + 1))
    assert collapsed == pytest.approx(stepped)
