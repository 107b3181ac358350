"""What a runtime's radix cache is believed to hold, in blocks of tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

BLOCK_TOKENS = 32
"""Tokens per block of the index; a prompt's last, partial block is never indexed."""

_TOKEN_BYTES = 4


def block_chain(token_ids: bytes, block_tokens: int = BLOCK_TOKENS) -> tuple[int, ...]:
    """Return one hash per full block of ``token_ids`` (little-endian int32), each covering all before it.

    Equal hashes mean equal prefixes within one process (Python's ``hash`` of bytes is salted per
    process, so they don't travel).
    """
    step = block_tokens * _TOKEN_BYTES
    chain: list[int] = []
    previous = 0
    for end in range(step, len(token_ids) + 1, step):
        previous = hash((previous, token_ids[end - step : end]))
        chain.append(previous)
    return tuple(chain)


class PrefixIndex:
    """The blocks that one runtime is believed to cache, least recently used first out.

    Own dispatches are credited at once (``credit``).  ``capacity_tokens`` is the size of the runtime's
    KV cache.
    """

    def __init__(self, capacity_tokens: int, block_tokens: int = BLOCK_TOKENS) -> None:
        self._block_tokens = block_tokens
        self._capacity_blocks = max(1, capacity_tokens // block_tokens)
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def cached_tokens(self, blocks: Sequence[int], prompt_tokens: int) -> int:
        """Return how many leading tokens of a prompt are cached.

        At least one token is always computed (SGLang keeps the last one: ``Req._compute_max_prefix_len``).
        """
        held = self._blocks
        count = 0
        for block in blocks:
            if block not in held:
                break
            count += 1
        return min(count * self._block_tokens, max(0, prompt_tokens - 1))

    def credit(self, blocks: Sequence[int]) -> None:
        """Mark ``blocks`` as just used and evict what no longer fits.

        Blocks are touched from the leaf to the root: a radix cache evicts leaves first, so the root
        must be the youngest.
        """
        held = self._blocks
        for block in reversed(blocks):
            held[block] = None
            held.move_to_end(block)
        while len(held) > self._capacity_blocks:
            held.popitem(last=False)
