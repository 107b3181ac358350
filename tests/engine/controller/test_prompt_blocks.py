"""What a finished call leaves in the cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.controller.prompt_encoder import prompt_from_ids
from engine.wire.token_ids import pack_ids
from sched.cache.prefix import block_chain

_tokens = st.lists(st.integers(0, 3), min_size=1, max_size=100)


@given(prompt=_tokens, output=_tokens)
def test_an_outputs_blocks_go_on_where_the_prompts_end(prompt: list[int], output: list[int]) -> None:
    """Together they are the chain of prompt and output, without the last token, which was not computed."""
    found = prompt_from_ids(prompt)
    both = block_chain(pack_ids([*prompt, *output[:-1]]))
    assert (*found.blocks, *found.blocks_of_output(pack_ids(output))) == both


def test_no_output_leaves_nothing() -> None:
    """A call that ended without a token is no trouble."""
    assert prompt_from_ids([1] * 64).blocks_of_output(b"") == ()
