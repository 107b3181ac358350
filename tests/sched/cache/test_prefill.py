"""Which prompts are computed together."""

from __future__ import annotations

from sched.cache.prefill import PrefillBatches

STEP = 0.1


class Runtime:
    """Batches with a decode step of 0.1 s; each call's prompt is the one block of its id."""

    def __init__(self, *, overlap: bool = False) -> None:
        self.batches = PrefillBatches(overlap=overlap)

    def send(self, call_id: int, now: float, *, idle: bool = False) -> None:
        self.batches.sent(call_id, (call_id,), now, idle=idle, step_seconds=STEP)

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
