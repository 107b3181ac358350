"""Which prompts are computed together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched.cache.prefill import PrefillBatches
from sched.predict.prompt_sums import Prompt, PromptSums

STEP = 0.1


class Runtime:
    """Batches with a decode step of 0.1 s; each call's prompt is the one block of its id."""

    def __init__(self, *, overlap: bool = False) -> None:
        self.batches = PrefillBatches(overlap=overlap)

    def send(self, call_id: int, now: float, *, idle: bool = False) -> None:
        self.batches.sent(call_id, (call_id,), Prompt(16, 0), now, idle=idle, step_seconds=STEP)

    def first_token(self, call_id: int, now: float) -> set[int]:
        computed = self.batches.first_token(call_id, now, step_seconds=STEP)
        return {block for blocks in computed for block in blocks}

    def computing(self, now: float) -> set[int]:
        self.batches.pass_time(now)
        return set(self.batches.blocks)


def test_on_an_idle_runtime_the_first_prompt_is_alone() -> None:
    """Nothing keeps the runtime from beginning at once: whoever comes next finds the prompt."""
    runtime = Runtime()
    runtime.send(1, 0.0, idle=True)
    assert runtime.computing(0.0) == {1}
    runtime.send(2, 0.0)
    assert runtime.computing(9.0) == {1}, "the second one waits for the first"


def test_while_others_decode_a_batch_has_a_step_for_company() -> None:
    """Prompts that come before the present decode step ends go together."""
    runtime = Runtime()
    runtime.send(1, 1.0)
    runtime.send(2, 1.05)
    assert runtime.computing(1.09) == set()
    runtime.send(3, 1.11)
    assert runtime.computing(1.11) == {1, 2}


def test_a_first_token_ends_the_batch_and_begins_the_next() -> None:
    """It shows all of its batch to be computed; the prompts that waited are computed together."""
    runtime = Runtime()
    runtime.send(1, 0.0, idle=True)
    runtime.send(2, 0.1)
    runtime.send(3, 0.2)
    assert runtime.first_token(1, 0.5) == {1}
    assert runtime.computing(0.5) == {2, 3}
    runtime.send(4, 0.51)
    assert runtime.first_token(3, 0.9) == {2, 3}
    assert runtime.first_token(2, 0.9) == set(), "its companion's token told it already"
    assert runtime.computing(0.9) == {4}


def test_with_overlap_company_has_a_step_longer() -> None:
    """The next batch is planned before the present one's results are there."""
    runtime = Runtime(overlap=True)
    runtime.send(1, 0.0, idle=True)
    runtime.send(2, 0.09)
    assert runtime.computing(0.09) == set()
    assert runtime.computing(0.1) == {1, 2}
    runtime.send(3, 0.2)
    assert runtime.first_token(1, 0.3) == {1, 2}
    assert runtime.computing(0.35) == set()
    assert runtime.computing(0.4) == {3}


def test_a_token_out_of_turn_is_believed() -> None:
    """A prompt that was thought to wait is computed when its token is there; the others stay as they are."""
    runtime = Runtime()
    runtime.send(1, 0.0, idle=True)
    runtime.send(2, 0.1)
    runtime.send(3, 0.1)
    assert runtime.first_token(3, 0.2) == {3}
    assert runtime.computing(0.2) == {1}
    assert runtime.first_token(1, 0.3) == {1}
    assert runtime.computing(0.3) == {2}


def test_an_aborted_prompt_makes_room() -> None:
    """Without its only prompt a batch is over; a waiting prompt that ends is forgotten."""
    runtime = Runtime()
    for call_id in (1, 2, 3):
        runtime.send(call_id, 0.0, idle=call_id == 1)
    runtime.batches.ended(3)
    runtime.batches.ended(1)
    runtime.batches.ended(7)
    assert runtime.computing(0.0) == {2}
    assert runtime.first_token(1, 0.1) == set()
    assert runtime.first_token(2, 0.1) == {2}
    assert runtime.computing(9.0) == set()


def test_a_batch_shrinks_to_those_that_are_left() -> None:
    """Blocks of an aborted prompt don't count, those of its companions do."""
    runtime = Runtime()
    runtime.send(1, 0.0)
    runtime.send(2, 0.0)
    assert runtime.computing(1.0) == {1, 2}
    runtime.batches.ended(2)
    assert runtime.computing(1.0) == {1}


class Recomputed:
    """The same batches by the book: what they hold is added up anew whenever it is asked for."""

    def __init__(self, *, overlap: bool) -> None:
        self.overlap = overlap
        self.computing: dict[int, tuple[tuple[int, ...], Prompt]] = {}
        self.waiting: dict[int, tuple[tuple[int, ...], Prompt]] = {}
        self.closes_at = math.inf

    def pass_time(self, now: float) -> None:
        if self.waiting and now >= self.closes_at:
            self.computing, self.waiting, self.closes_at = self.waiting, {}, math.inf

    def sent(self, call_id: int, blocks: tuple[int, ...], prompt: Prompt, now: float, idle: bool) -> None:
        self.pass_time(now)
        if not self.computing and not self.waiting:
            self.closes_at = now + ((not idle) + self.overlap) * STEP
        self.waiting[call_id] = blocks, prompt
        self.pass_time(now)

    def first_token(self, call_id: int, now: float) -> None:
        if self.waiting.pop(call_id, None) is None and call_id in self.computing:
            self.computing = {}
            if self.waiting:
                self.closes_at = now + self.overlap * STEP
                self.pass_time(now)

    def ended(self, call_id: int) -> None:
        known = call_id in self.computing
        if self.waiting.pop(call_id, None) is None and known:
            del self.computing[call_id]
            if not self.computing:
                self.closes_at = -math.inf

    def sums(self, call_id: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        inside = call_id in self.computing
        before = {} if inside else self.computing
        together = self.computing if inside else self.waiting
        return added_up(before), added_up(together)


def added_up(prompts: dict[int, tuple[tuple[int, ...], Prompt]]) -> tuple[float, ...]:
    each = [prompt for _, prompt in prompts.values()]
    return (
        len(each),
        sum(uncached for uncached, _ in each),
        sum(uncached * (cached + uncached / 2) for uncached, cached in each),
        sum((cached + uncached) ** 2 for uncached, cached in each),
    )


def shown(sums: PromptSums) -> tuple[float, ...]:
    return sums.count, sums.tokens, sums.reach, sums.square


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "first token", "end", "wait"]),
        st.integers(0, 30),
        st.lists(st.integers(0, 5), max_size=4),
        st.builds(Prompt, st.integers(1, 40_000), st.integers(0, 40_000)),
        st.booleans(),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_running_sums_are_those_of_the_prompts_there(
    steps: list[tuple[str, int, list[int], Prompt, bool]], overlap: bool
) -> None:
    """Whatever is sent, computed and ended, in whatever order: exactly as added up anew."""
    batches, book = PrefillBatches(overlap=overlap), Recomputed(overlap=overlap)
    now, open_calls = 0.0, list[int]()
    for number, (what, which, blocks, prompt, idle) in enumerate(steps):
        now += which / 200
        call_id = open_calls[which % len(open_calls)] if open_calls else 0
        if what == "send":
            open_calls.append(call_id := number)
            batches.sent(call_id, blocks, prompt, now, idle=idle, step_seconds=STEP)
            book.sent(call_id, tuple(blocks), prompt, now, idle)
        elif what == "first token":
            batches.first_token(call_id, now, step_seconds=STEP)
            book.first_token(call_id, now)
        elif what == "end" and open_calls:
            open_calls.remove(call_id)
            batches.ended(call_id)
            book.ended(call_id)
        batches.pass_time(now)
        book.pass_time(now)
        before, together, _ = batches.ahead(call_id)
        assert (shown(before), shown(together)) == book.sums(call_id)
        assert set(batches.blocks) == {block for held, _ in book.computing.values() for block in held}


def test_what_a_call_costs_does_not_grow_with_the_calls_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prompt is counted when it is sent and when it ends, and never again."""
    counted = 0

    def count(self: PromptSums, prompt: Prompt, sign: int) -> None:
        nonlocal counted
        counted += 1

    monkeypatch.setattr(PromptSums, "_count", count)
    runtime = Runtime()
    for call_id in range(1000):
        runtime.send(call_id, 0.0)
        runtime.batches.ahead(call_id)
    for call_id in range(1000):
        runtime.batches.ended(call_id)
    assert counted == 2000
