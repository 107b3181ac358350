"""Sums over prompts lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sched.predict.prompt_sums import Prompt, PromptSums

PROMPTS = st.lists(st.builds(Prompt, st.integers(0, 1_000_000), st.integers(0, 1_000_000)), max_size=50)


@given(PROMPTS, PROMPTS)
def test_what_was_removed_leaves_no_trace(stay: list[Prompt], go: list[Prompt]) -> None:
    """Not even the rounding that sums of floats gather: the sums are exact."""
    sums = PromptSums([*go, *stay])
    for prompt in go:
        sums.remove(prompt)
    fresh = PromptSums(stay)
    assert (sums.count, sums.tokens, sums.reach, sums.square) == (
        fresh.count,
        fresh.tokens,
        fresh.reach,
        fresh.square,
    )


def test_the_sums_are_those_of_the_formula() -> None:
    """Two prompts of 100 uncached tokens, one of them after 50 cached ones."""
    sums = PromptSums([Prompt(100, 0), Prompt(100, 50)])
    assert (sums.count, sums.tokens, sums.reach, sums.square) == (2, 200, 15_000.0, 32_500)
