"""How long an output is likely to be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sched.predict.lengths import WINDOW, Key, OutputLengths
from sched.predict.profile_store import as_plain, restored
from sched.predict.stage_profile import PUBLISHED, StageProfile

KEY: Key = ("k", "shop", "s", None)
STAGE: Key = (None, None, "s", None)


def test_a_rare_long_output_does_not_count() -> None:
    """One output in five is ten times as long: the likely one is what the others have."""
    lengths = OutputLengths()
    for number in range(20):
        lengths.observe(KEY, 100, 220 if number % 5 == 0 else 22)
    assert lengths.likely([KEY], 100) == 22


def test_prompts_of_similar_length_tell() -> None:
    """Long questions have long answers: only the most similar prompts count."""
    lengths = OutputLengths()
    for prompt in range(20):
        lengths.observe(KEY, prompt, 2 * prompt)
    assert lengths.likely([KEY], 5) == 10
    assert lengths.likely([KEY], 15) == 30


def test_of_prompts_equally_near_the_newest_count() -> None:
    """Prompts of one length, whose outputs have become longer: the latest tell."""
    lengths = OutputLengths()
    for output in (10,) * 20 + (40,) * 20:
        lengths.observe(KEY, 100, output)
    assert lengths.likely([KEY], 100) == 40


def test_the_same_prompt_tells_best() -> None:
    """What a prompt had before goes before what its likes had, once seen, and under whatever key it was."""
    lengths = OutputLengths()
    for _ in range(20):
        lengths.observe(KEY, 100, 5, last_block=1)
    lengths.observe(STAGE, 100, 30, last_block=2)
    assert lengths.likely([KEY, STAGE], 100, last_block=2) == 30
    assert lengths.likely([KEY, STAGE], 101, last_block=2) == 5  # another prompt: it goes on differently
    assert lengths.likely([KEY, STAGE], 100, last_block=3) == 5
    assert lengths.likely([KEY, STAGE], 100) == 5


def test_prompts_are_forgotten_at_some_time() -> None:
    """However many prompts come, a bounded number is remembered, the one used last among them."""
    lengths = OutputLengths()
    for block in range(10_000):
        lengths.observe(KEY, 100, block, last_block=block)
    assert lengths.likely([KEY], 100, last_block=9_999) == 9_999
    assert lengths.likely([KEY], 100, last_block=0) != 0


def test_too_few_calls_say_nothing() -> None:
    """Two calls of a database are too few: the stage's are asked, and without these nobody knows."""
    lengths = OutputLengths()
    for _ in range(2):
        lengths.observe(KEY, 100, 5)
    assert lengths.likely([KEY], 100) is None
    for _ in range(3):
        lengths.observe(STAGE, 100, 9)
    assert lengths.likely([KEY, STAGE], 100) == 9


@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 900)), min_size=3, max_size=80))
def test_the_likely_output_was_seen_lately(calls: list[tuple[int, int]]) -> None:
    """Whatever was seen, the likely output lies among the latest ones."""
    lengths = OutputLengths()
    for prompt, output in calls:
        lengths.observe(KEY, prompt, output)
    outputs = [output for _, output in calls[-WINDOW:]]
    assert min(outputs) <= (lengths.likely([KEY], 100) or 0) <= max(outputs)


def test_a_profile_tells_the_likely_output_within_its_limit() -> None:
    """Before anything is known it is the expected one, later the median, and never above the call's limit."""
    profile = StageProfile()
    assert profile.likely_output("k", "shop", "revise", 100, 1000) == PUBLISHED["revise"].output_tokens
    for output in (20, 22, 500):
        profile.observe_call("k", "shop", "revise", 100, output)
    assert profile.likely_output("k", "shop", "revise", 100, 1000) == 22
    assert profile.likely_output("k", "shop", "revise", 100, 8) == 8
    kept = restored(as_plain(profile))
    assert kept.likely_output("k", "shop", "revise", 100, 1000) == 22
    old = {name: value for name, value in as_plain(profile).items() if name != "latest"}
    assert restored(old).likely_output("k", "shop", "revise", 100, 1000) > 22  # an older file has means only


def test_a_profile_knows_prompts_again() -> None:
    """A prompt that came before, of any branch, is expected to have the output it had."""
    profile = StageProfile()
    for output in (20, 20, 20):
        profile.observe_call("k", "shop", "revise", 100, output, last_block=1)
    profile.observe_call("k", "shop", "revise", 100, 70, 1, last_block=2)
    assert profile.likely_output("k", "shop", "revise", 100, 1000, last_block=1) == 20
    assert profile.likely_output("k", "shop", "revise", 100, 1000, 0, last_block=2) == 70
