"""A simulated runtime's KV cache: sharing, reservations, retraction."""

from __future__ import annotations

import pytest

from sched.order import queue_position
from tests.sched.sim.sim_factories import decode_seconds, engine, pieces, prefill_seconds, request, run


def test_nothing_is_backfilled() -> None:
    """When the first in order doesn't fit the KV cache, smaller ones behind it wait as well."""
    model = engine(max_total_tokens=2000)
    arrivals = [(0.0, request(1, 640, 100)), (0.1, request(2, 1280, 100)), (0.1, request(3, 64, 2))]
    log = run(model, arrivals)
    assert log.first[2] > log.finished[1]
    assert log.first[3] > log.finished[1]


def test_a_full_batch_takes_nobody_before_one_leaves() -> None:
    """After a request that didn't fit, even a more urgent and small one waits for an end (batch_is_full)."""
    urgent = request(3, 64, 2, position=queue_position(-1.0, 3))
    arrivals = [(0.0, request(1, 640, 100)), (0.1, request(2, 1280, 100)), (1.0, urgent)]
    log = run(engine(max_total_tokens=2000), arrivals)
    assert log.finished[1] < log.first[3] < log.first[2]


@pytest.mark.parametrize(("ratio", "waits"), [(1.0, True), (0.0, False)])
def test_a_share_of_the_promised_output_is_reserved(ratio: float, waits: bool) -> None:
    """What running requests may still produce counts against a new one by the new-token ratio."""
    model = engine(max_total_tokens=2000, init_new_token_ratio=ratio, min_new_token_ratio=ratio)
    log = run(model, [(0.0, request(1, 640, 800)), (1.0, request(2, 640, 20))])
    assert (log.first[2] > log.finished[1]) is waits


@pytest.mark.parametrize("clip", [4096, 256])
def test_the_reservation_of_an_output_is_clipped(clip: int) -> None:
    """A limit far above the output needs no room, if SGLang is told to expect less."""
    model = engine(max_total_tokens=2000, clip_max_new_tokens=clip)
    log = run(model, [(0.0, request(1, 64, 10, max_new_tokens=3000))])
    assert (log.failed == [1]) is (clip == 4096)


def test_a_shared_prefix_is_computed_once() -> None:
    """A later request with the same prefix computes only the rest; all but the last token at most."""
    again = request(2, 1280, 2, pieces=pieces(1, 1280))
    same = request(3, 1280, 2, pieces=pieces(1, 1280))
    model = engine(chunked_prefill_size=4096)
    log = run(model, [(0.0, request(1, 1216, 2)), (5.0, again), (10.0, same)])
    assert again.cached_tokens == 1216
    assert log.first[2] - 5.0 == pytest.approx(prefill_seconds(64, 1216))
    assert same.cached_tokens == 1216, "the last piece is computed, since it holds the last token"


def test_prompts_in_one_batch_do_not_share() -> None:
    """As with fcfs in SGLang: what is computed in the same iteration is not cached yet."""
    twins = [request(i, 128, 2, pieces=pieces(7, 128)) for i in (1, 2)]
    run(engine(), [(0.0, twin) for twin in twins])
    assert [twin.cached_tokens for twin in twins] == [0, 0]


def test_a_full_cache_retracts_and_all_still_finish() -> None:
    """Optimistic reservations end in retractions; every request has its tokens, memory is whole again."""
    model = engine(max_total_tokens=1024, init_new_token_ratio=0.0, min_new_token_ratio=0.0)
    log = run(model, [(i / 10, request(i, 64, 400)) for i in range(1, 7)])
    assert sorted(log.finished) == [1, 2, 3, 4, 5, 6]
    assert model.retractions > 0
    assert model.memory.available == 1024
    assert model.memory.cache.referenced == 0
    assert 0 <= model.memory.cache.evictable <= 1024


def test_the_request_with_least_output_is_retracted() -> None:
    """The older one goes on undisturbed, the younger computes its tokens again."""
    model = engine(max_total_tokens=512, init_new_token_ratio=0.0, min_new_token_ratio=0.0)
    old, young = request(1, 64, 300), request(2, 64, 300)
    log = run(model, [(0.0, old), (1.0, young)])
    assert model.retractions == 1
    assert log.finished[1] < prefill_seconds(64) * 2 + 300 * decode_seconds(400)
    assert log.finished[2] - log.finished[1] > 100 * decode_seconds(100)
    assert young.produced == 300
    assert young.cached_tokens == 0, "what counts is the first admission"


def test_more_is_reserved_after_a_retraction() -> None:
    """The new-token ratio begins anew from what was produced, so that even an urgent request waits."""
    model = engine(
        max_total_tokens=512, max_running_requests=2, init_new_token_ratio=0.0, min_new_token_ratio=0.0
    )
    urgent = request(3, 64, 130, position=queue_position(-1.0, 3))
    log = run(model, [(0.0, request(1, 64, 300)), (1.0, request(2, 64, 300)), (2.0, urgent)])
    assert model.retractions == 1
    assert log.first[3] > log.finished[1]


def test_what_can_never_fit_is_refused_and_the_rest_runs() -> None:
    """A prompt longer than the KV cache fails by itself."""
    log = run(engine(max_total_tokens=1000), [(0.0, request(1, 2048, 5)), (0.0, request(2, 64, 5))])
    assert log.failed == [1]
    assert list(log.finished) == [2]


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.1, 0.5, 2.0])
def test_an_aborted_request_gives_its_memory_back(moment: float) -> None:
    """Waiting, in prefill or decoding: it reports nothing more and the others go on."""
    model = engine(max_running_requests=2)
    for i in (1, 2, 3):
        model.submit(request(i, 1024, 200), 0.0)
    model.plan(0.0)
    finished: list[int] = []
    for aborted in (1, 3):
        while model.end is not None and model.end < moment:
            now = model.end
            finished += [r.call_id for r in model.complete(now).finished]
            model.plan(now)
        model.abort(aborted, 1, moment)
    while model.end is not None:
        now = model.end
        finished += [r.call_id for r in model.complete(now).finished]
        model.plan(now)
    assert finished == [2]
    assert model.memory.available == 100_000
