"""What a runtime's cache is believed to hold."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from sched.cache.prefix import BLOCK_TOKENS, PrefixIndex, block_chain
from tests.factories import chain

_tokens = st.lists(st.integers(0, 3), max_size=40)


def frame(tokens: list[int]) -> bytes:
    """Return token ids as they travel."""
    return array("i", tokens).tobytes()


@given(a=_tokens, b=_tokens)
def test_equal_prefixes_have_equal_chains(a: list[int], b: list[int]) -> None:
    """Two chains agree on exactly the full blocks that their token ids share from the start."""
    chain_a, chain_b = block_chain(frame(a), 4), block_chain(frame(b), 4)
    assert len(chain_a) == len(a) // 4
    for i, (x, y) in enumerate(zip(chain_a, chain_b, strict=False), start=1):
        assert (x == y) is (a[: 4 * i] == b[: 4 * i])


def test_a_block_is_known_by_all_before_it() -> None:
    """The same block after another beginning is another block."""
    first, second = block_chain(frame([1, 1, 2, 2]), 2), block_chain(frame([3, 3, 2, 2]), 2)
    assert first[1] != second[1]
    assert block_chain(frame([1, 1, 1, 1]), 2)[0] != block_chain(frame([1, 1, 1, 1]), 2)[1]


def test_hashes_are_the_same_in_every_process() -> None:
    """The controller compares its chains with those of its workers."""
    assert block_chain(frame(list(range(64)))) == (3769686076003069549, 13174353109931346803)


@given(tokens=_tokens, blocks=st.integers(0, 10))
def test_a_chain_can_be_continued(tokens: list[int], blocks: int) -> None:
    """A prompt's chain is that of its beginning and, from the last block on, that of its rest."""
    whole, cut = block_chain(frame(tokens), 4), min(blocks, len(tokens) // 4)
    previous = whole[cut - 1] if cut else 0
    rest = block_chain(frame(tokens[4 * cut :]), 4, previous=previous)
    assert (*block_chain(frame(tokens[: 4 * cut]), 4), *rest) == whole


def test_a_sent_prompt_is_cached() -> None:
    """After a credit the shared leading blocks of any prompt count, and nothing behind a gap."""
    index = PrefixIndex(10_000)
    assert index.cached_tokens(chain(1, 320), 330) == 0
    index.credit(chain(1, 320))
    assert index.cached_tokens(chain(1, 320), 330) == 320
    assert index.cached_tokens(chain(1, 640), 640) == 320
    assert index.cached_tokens(chain(1, 64), 70) == 64
    assert index.cached_tokens(chain(2, 320), 330) == 0
    assert index.cached_tokens((*chain(2, 32), *chain(1, 320)[1:]), 330) == 0


def test_one_token_is_always_computed() -> None:
    """A prompt that is wholly cached still computes its last token; an empty one none."""
    index = PrefixIndex(10_000)
    index.credit(chain(1, 320))
    assert index.cached_tokens(chain(1, 320), 320) == 319
    assert index.cached_tokens((), 0) == 0


def test_the_least_recently_used_leaves_go_first() -> None:
    """Over capacity the oldest prompt is shortened from its end, and its use makes it young again."""
    index = PrefixIndex(10 * BLOCK_TOKENS)
    old, new = chain(1, 5 * BLOCK_TOKENS), chain(2, 5 * BLOCK_TOKENS)
    index.credit(old)
    index.credit(new)
    index.credit(chain(3, 2 * BLOCK_TOKENS))
    assert len(index) == 10
    assert index.cached_tokens(old, 1000) == 3 * BLOCK_TOKENS
    assert index.cached_tokens(new, 1000) == 5 * BLOCK_TOKENS
    index.credit(old[:3])
    index.credit(chain(4, 2 * BLOCK_TOKENS))
    assert index.cached_tokens(old, 1000) == 3 * BLOCK_TOKENS
    assert index.cached_tokens(new, 1000) == 3 * BLOCK_TOKENS


@given(
    prompts=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=20),
    capacity=st.integers(0, 400),
)
def test_it_stays_within_capacity_and_keeps_roots(prompts: list[tuple[int, int]], capacity: int) -> None:
    """Never more blocks than fit; what is held of a prompt is always its beginning."""
    index = PrefixIndex(capacity)
    for family, length in prompts:
        blocks = chain(family, length)
        index.credit(blocks)
        fits = max(1, capacity // BLOCK_TOKENS)
        assert len(index) <= fits
        assert index.cached_tokens(blocks, 10**6) == min(len(blocks), fits) * BLOCK_TOKENS
    leading = sum(index.cached_tokens(chain(f, 400), 10**6) for f in range(4)) // BLOCK_TOKENS
    assert leading == len(index), "a block is held without those before it"
