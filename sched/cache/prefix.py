"""Prompts as chains of block hashes, and a guess at which blocks a runtime's radix cache holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

from xxhash import xxh3_64_intdigest

BLOCK_TOKENS = 32
"""Tokens per block; a prompt's last, partial block is never indexed."""

_TOKEN_BYTES = 4


def block_chain(token_ids: bytes, block_tokens: int = BLOCK_TOKENS, *, previous: int = 0) -> tuple[int, ...]:
    """Return one 64-bit hash per full block of ``token_ids`` (little-endian int32), each covering all before.

    Equal hashes mean equal prefixes, in every process.  ``previous`` is the hash of the block that
    ``token_ids`` follow, 0 at a prompt's beginning.
    """
    step = block_tokens * _TOKEN_BYTES
    view = memoryview(token_ids)
    chain: list[int] = []
    for end in range(step, len(view) + 1, step):
        previous = xxh3_64_intdigest(view[end - step : end], previous)
        chain.append(previous)
    return tuple(chain)


def reusable_tokens(leading_blocks: int, prompt_tokens: int, block_tokens: int = BLOCK_TOKENS) -> int:
    """Return how many tokens a runtime reuses of a prompt whose first ``leading_blocks`` are cached.

    At least one token is always computed (SGLang keeps the last one: ``Req._compute_max_prefix_len``).
    """
    tokens = leading_blocks * block_tokens
    return tokens if tokens < prompt_tokens else max(0, prompt_tokens - 1)


class PrefixIndex:
    """The blocks that one runtime is guessed to cache, least recently used first out.

    ``capacity_tokens`` is the size of the runtime's KV cache.
    """

    def __init__(self, capacity_tokens: int, block_tokens: int = BLOCK_TOKENS) -> None:
        self._block_tokens = block_tokens
        self._capacity_blocks = max(1, capacity_tokens // block_tokens)
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def blocks(self) -> Collection[int]:
        """The blocks, for a look at many of them."""
        return self._blocks

    def cached_tokens(self, blocks: Sequence[int], prompt_tokens: int) -> int:
        """Return how many leading tokens of a prompt are cached."""
        held = self._blocks
        count = 0
        for block in blocks:
            if block not in held:
                break
            count += 1
        return reusable_tokens(count, prompt_tokens, self._block_tokens)

    def credit(self, blocks: Sequence[int]) -> None:
        """Mark ``blocks`` as just used and evict what no longer fits.

        Blocks are touched from the leaf to the root: a radix cache evicts leaves first, so the root
        must be the youngest.
        """
        held = self._blocks
        move = held.move_to_end
        for block in reversed(blocks):
            held[block] = None
            move(block)
        while len(held) > self._capacity_blocks:
            held.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._blocks.clear()
