"""From SGLang's pages to our blocks, against a model that keeps every cached prompt as it is."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sglang.kv_blocks import KvBlocks
from sched.cache.prefix import BLOCK_TOKENS, block_chain

Path = tuple[int, ...]


def chain(tokens: Sequence[int]) -> tuple[int, ...]:
    """Return the blocks of a prompt."""
    return block_chain(array("i", tokens).tobytes())


class NaiveCache:
    """A radix cache that tells ``blocks`` what SGLang's would: each cached page is the path to it."""

    def __init__(self, page_tokens: int) -> None:
        self.blocks = KvBlocks()
        self.known: set[int] = set()
        self._page_tokens = page_tokens
        self._names: dict[Path, int] = {}
        self.pages: set[Path] = set()

    def _name(self, page: Path) -> int:
        return self._names.setdefault(page, len(self._names) + 1)

    def insert(self, prompt: Path, *, twice: bool = False) -> None:
        """Cache the whole pages of ``prompt``; ``twice`` tells all of them again."""
        step = self._page_tokens
        paths = [prompt[:end] for end in range(step, len(prompt) + 1, step)]
        old = [] if twice else [path for path in paths if path in self.pages]
        new = paths[len(old) :]
        self.pages.update(paths)
        if new:
            parent = self._name(old[-1]) if old else None
            tokens = prompt[len(old) * step : len(paths) * step]
            self.blocks.store([self._name(path) for path in new], parent, tokens, step)

    def evict(self, leaf: int, count: int) -> None:
        """Evict up to ``count`` pages from the end of one of the leaves."""
        parents = {page[: -self._page_tokens] for page in self.pages}
        leaves = sorted(self.pages - parents)
        if not leaves:
            return
        page = leaves[leaf % len(leaves)]
        gone: list[int] = []
        while page in self.pages and len(gone) < count:
            self.pages.remove(page)
            gone.append(self._name(page))
            page = page[: -self._page_tokens]
            if any(other[: -self._page_tokens] == page for other in self.pages):
                break
        self.blocks.remove(gone[::-1])

    def check(self) -> None:
        """Compare what is held, and what was reported so far, with the cached prompts."""
        expected = {block for page in self.pages for block in chain(page)}
        added, removed = self.blocks.take_changes()
        self.known |= set(added)
        self.known -= set(removed)
        assert self.blocks.held == expected
        assert self.known == expected


# Prompts of few segments of any length share beginnings that end anywhere in a page or block.
_segment = st.tuples(st.integers(1, 3), st.integers(1, 70))
_prompt = st.lists(_segment, max_size=4).map(
    lambda segments: tuple(token for value, length in segments for token in [value] * length)
)
_step = st.one_of(
    st.tuples(st.just("insert"), _prompt, st.booleans()),
    st.tuples(st.just("evict"), st.integers(0, 9), st.integers(1, 200)),
    st.just(("clear",)),
)


@settings(max_examples=150, deadline=None)
@given(page_tokens=st.sampled_from([1, 16, 32, 48, 64, 128]), steps=st.lists(_step, max_size=12))
def test_blocks_are_those_of_the_cached_prompts(page_tokens: int, steps: list[tuple[object, ...]]) -> None:
    """Whatever is inserted, told again, evicted and cleared: what is held are the blocks of cached pages."""
    cache = NaiveCache(page_tokens)
    for step in steps:
        match step:
            case ("insert", tuple(prompt), bool(twice)):
                cache.insert(prompt, twice=twice)
            case ("evict", int(leaf), int(count)):
                cache.evict(leaf, count)
            case _:
                cache.pages.clear()
                cache.blocks.clear()
        cache.check()


def test_changes_that_cancel_out_are_told_as_they_ended() -> None:
    """A block that came and went since the last report is reported as gone, and one that is back as there."""
    cache = NaiveCache(1)
    cache.insert((1,) * 32)
    cache.evict(0, 5)
    assert cache.blocks.take_changes() == ([], list(chain((1,) * 32)))
    cache.insert((1,) * 32)
    cache.blocks.take_changes()
    cache.evict(0, 1)
    cache.insert((1,) * 32)
    assert cache.blocks.take_changes() == (list(chain((1,) * 32)), [])


def test_pages_without_their_beginning_are_left_out() -> None:
    """After a loss only prompts that are told from the beginning count, until the cache is cleared."""
    cache = NaiveCache(1)
    cache.insert((1,) * 40)
    cache.check()
    cache.blocks.lose()
    assert not cache.blocks.complete
    assert cache.blocks.take_changes() == ([], list(chain((1,) * 40)))
    cache.insert((1,) * 80)
    cache.blocks.remove([1, 2, 99])
    assert cache.blocks.held == set()
    cache.blocks.clear()
    assert cache.blocks.complete


def test_tokens_must_fit_their_pages() -> None:
    """Events that mean something else by a page are an error, not wrong blocks."""
    with pytest.raises(ValueError, match="2 pages of 16 tokens came with 33"):
        KvBlocks().store([1, 2], None, [0] * 33, 16)


def test_a_block_lasts_as_long_as_its_last_page() -> None:
    """Half a block is none."""
    cache = NaiveCache(1)
    cache.insert((1,) * (2 * BLOCK_TOKENS))
    assert len(cache.blocks.held) == 2
    cache.evict(0, 1)
    assert cache.blocks.held == set(chain((1,) * BLOCK_TOKENS))


def test_pages_may_share_a_block() -> None:
    """Pages longer than a block that begin alike both hold it: it is gone with the last of them."""
    cache = NaiveCache(48)
    cache.insert((1,) * 48)
    cache.insert((1,) * 40 + (2,) * 8)
    cache.check()
    cache.evict(0, 1)
    cache.check()
    assert cache.blocks.held == set(chain((1,) * 32))
    cache.evict(0, 1)
    cache.check()
    assert cache.blocks.held == set()
