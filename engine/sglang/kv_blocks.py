"""From the pages of SGLang's KV events to the blocks of the controller's prefix index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.wire.token_ids import TOKEN_BYTES, pack_ids
from sched.cache.prefix import BLOCK_TOKENS, block_chain


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Pages stored together.  ``tokens`` (int32) begin where a block begins: the first ``borrowed`` of them
    belong to pages stored earlier.  ``before`` is the hash of the block before, ``chain`` are its own."""

    pages: Sequence[int]
    page_tokens: int
    borrowed: int
    tokens: bytes
    before: int
    chain: tuple[int, ...]

    def up_to(self, page: int) -> tuple[bytes, int]:
        """Return what a run that follows ``page`` borrows, and the hash of the block before that."""
        end = self.borrowed + (self.pages.index(page) + 1) * self.page_tokens
        blocks = end // BLOCK_TOKENS
        borrowed = self.tokens[blocks * BLOCK_TOKENS * TOKEN_BYTES : end * TOKEN_BYTES]
        return borrowed, self.chain[blocks - 1] if blocks else self.before


class KvBlocks:
    """The blocks that SGLang's radix cache holds, from events told in order.

    A page is what SGLang counts in (one token by default), named by a hash of all tokens up to its end.
    A block is held while a page is in which it ends: a radix cache evicts leaves first, so whoever
    loses an earlier page of a block has lost the later ones.  Pages longer than a block may begin with the
    same one and go on differently.  Telling something twice does no harm.

    ``complete`` is false after :meth:`lose`, until the cache is cleared: what it holds can't be told.
    """

    def __init__(self) -> None:
        self.complete = True
        self._holders: dict[int, int] = {}
        self._changed: set[int] = set()
        self._runs: dict[int, _Run] = {}
        self._ends: dict[int, tuple[int, ...]] = {}

    @property
    def held(self) -> Collection[int]:
        """The blocks held."""
        return self._holders.keys()

    def store(
        self, pages: Sequence[int], parent: int | None, token_ids: Sequence[int], page_tokens: int
    ) -> None:
        """Add ``pages`` that follow the page ``parent`` (``None``: a prompt's beginning).

        Pages whose beginning was never told are left out.

        Raises:
            ValueError: ``token_ids`` are not ``page_tokens`` for each page.
        """
        if len(token_ids) != len(pages) * page_tokens:
            raise ValueError(f"{len(pages)} pages of {page_tokens} tokens came with {len(token_ids)} tokens")
        borrowed, before = b"", 0
        if parent is not None:
            run = self._runs.get(parent)
            if run is None:
                return
            borrowed, before = run.up_to(parent)
        tokens = borrowed + pack_ids(token_ids)
        chain = block_chain(tokens, previous=before)
        first = len(borrowed) // TOKEN_BYTES
        new = _Run(pages, page_tokens, first, tokens, before, chain)
        self._runs.update(dict.fromkeys(pages, new))
        ends: dict[int, tuple[int, ...]] = {}
        for end, block in enumerate(chain, start=1):
            page = pages[(end * BLOCK_TOKENS - first - 1) // page_tokens]
            ends[page] = (*ends.get(page, ()), block)
        for page, blocks in ends.items():
            if page not in self._ends:
                self._ends[page] = blocks
                for block in blocks:
                    self._holders[block] = self._holders.get(block, 0) + 1
        self._changed.update(chain)

    def remove(self, pages: Sequence[int]) -> None:
        """Remove ``pages``; unknown ones are ignored."""
        for page in pages:
            if self._runs.pop(page, None) is not None:
                blocks = self._ends.pop(page, ())
                for block in blocks:
                    self._holders[block] -= 1
                    if not self._holders[block]:
                        del self._holders[block]
                self._changed.update(blocks)

    def clear(self) -> None:
        """The cache is empty."""
        self.complete = True
        self._forget()

    def lose(self) -> None:
        """Events are missing."""
        self.complete = False
        self._forget()

    def _forget(self) -> None:
        self._changed.update(self._holders)
        self._holders.clear()
        self._runs.clear()
        self._ends.clear()

    def take_changes(self) -> tuple[list[int], list[int]]:
        """Return the blocks added and removed since the last time, as far as that is still so."""
        added = [block for block in self._changed if block in self._holders]
        removed = [block for block in self._changed if block not in self._holders]
        self._changed.clear()
        return added, removed
