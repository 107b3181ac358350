"""What a runtime's prefix cache is believed to hold: as it reports, or as guessed until it does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

from sched.cache.prefill import OnTheWay, PrefillBatches
from sched.cache.prefix import BLOCK_TOKENS, PrefixIndex, reusable_tokens
from sched.events import CacheFlushed, CacheReported, CacheScope
from sched.predict.prompt_sums import Prompt

UNREPORTED_SECONDS = 2.0
"""A prompt that was computed is believed to be cached for so long without a report; SGLang's events and
their way here take a tenth of it, and what isn't reported by then was evicted at once."""


class CacheBelief:
    """The blocks in one runtime's prefix cache.

    A block is believed to be there if the runtime reported it, if a prompt with it was computed a moment
    ago, or if such a prompt is being computed and the next call comes into a later batch
    (``sched/cache/prefill.py``).  A runtime that reports nothing is guessed to keep the latest prompts that
    fit into ``capacity_tokens``.

    Since partial blocks don't count, a belief without fault is up to a block short.  ``batches``: which
    prompts are computed together.
    """

    def __init__(self, capacity_tokens: int, *, overlap: bool = False) -> None:
        self._guess = PrefixIndex(capacity_tokens)
        self._reported: set[int] | None = None
        self._known: Collection[int] = self._guess.blocks
        self._fresh: OrderedDict[int, float] = OrderedDict()  # those that expire first stand first
        self.batches = PrefillBatches(overlap=overlap)
        self._on_the_way = OnTheWay()

    def describe(self) -> dict[str, str | int]:
        """Return where the belief comes from, and the tokens held."""
        return {
            "source": "guessed" if self._reported is None else "reported",
            "tokens": len(self._known) * BLOCK_TOKENS,
        }

    def cached_tokens(self, blocks: Sequence[int], prompt_tokens: int) -> int:
        """Return how many leading tokens of a prompt are cached when its turn comes."""
        count = _leading(blocks, self._known, self._fresh, self.batches.blocks)
        return reusable_tokens(count, prompt_tokens)

    def expected_tokens(self, blocks: Sequence[int], prompt_tokens: int) -> int:
        """Return how many leading tokens of a prompt are cached or on their way into the cache."""
        count = _leading(blocks, self._known, self._fresh, self._on_the_way.blocks)
        return reusable_tokens(count, prompt_tokens)

    def awaited(self, call_id: int, blocks: Sequence[int], prompt_tokens: int) -> tuple[int | None, int]:
        """Return the other call that will compute what comes next of a prompt, and how many tokens of it."""
        count = self._settled(blocks)
        owner = self._on_the_way.owner(blocks[count]) if count < len(blocks) else None
        if owner is None or owner == call_id:
            return None, 0
        settled = reusable_tokens(count, prompt_tokens)
        return owner, self.expected_tokens(blocks, prompt_tokens) - settled

    def _settled(self, blocks: Sequence[int]) -> int:
        return _leading(blocks, self._known, self._fresh, ())

    def pass_time(self, now: float) -> None:
        """Bring the belief up to ``now`` (seconds)."""
        self.batches.pass_time(now)
        while self._fresh:
            block, until = next(iter(self._fresh.items()))
            if until > now:
                return
            del self._fresh[block]

    def placed(self, call_id: int, blocks: Sequence[int]) -> None:
        """Note a call that will be sent."""
        self._on_the_way.add(call_id, blocks[self._settled(blocks) :])

    def sent(
        self,
        call_id: int,
        blocks: Sequence[int],
        prompt: Prompt,
        now: float,
        *,
        idle: bool,
        step_seconds: float,
    ) -> None:
        """Note a call on its way; ``idle``: the runtime has no other.  ``step_seconds``: a decode step."""
        self.batches.sent(call_id, blocks, prompt, now, idle=idle, step_seconds=step_seconds)

    def first_token(self, call_id: int, now: float, *, step_seconds: float) -> None:
        """Note that a call's prompt is computed, and with it those of its batch."""
        self._on_the_way.remove(call_id)
        for blocks in self.batches.first_token(call_id, now, step_seconds=step_seconds):
            self.computed(blocks, now)

    def computed(self, blocks: Sequence[int], now: float) -> None:
        """Note that the runtime has computed a prompt, or a prompt and its output."""
        if self._reported is None:
            self._guess.credit(blocks)
            return
        for block in blocks:
            if block not in self._reported:
                self._fresh[block] = now + UNREPORTED_SECONDS
                self._fresh.move_to_end(block)

    def ended(self, call_id: int) -> None:
        """Note that a call is over; one without a first token leaves nothing."""
        self.batches.ended(call_id)
        self._on_the_way.remove(call_id)

    def report(self, event: CacheReported | CacheFlushed) -> None:
        """Believe the runtime; changes are of use only after a report of everything."""
        if isinstance(event, CacheFlushed):
            self._guess.clear()
            self._fresh.clear()
            if self._reported is not None:
                self._reported.clear()
        elif event.scope is CacheScope.UNKNOWN:
            self._reported = None
            self._known = self._guess.blocks
            self._fresh.clear()
        elif event.scope is CacheScope.ALL:
            self._known = self._reported = set(event.added)
            self._fresh.clear()
        elif self._reported is not None:
            self._reported.update(event.added)
            self._reported.difference_update(event.removed)
            for block in (*event.added, *event.removed):
                self._fresh.pop(block, None)


def _leading(
    blocks: Sequence[int], known: Collection[int], fresh: Collection[int], coming: Collection[int]
) -> int:
    """Return how many leading blocks are held: by bisection, as none is held without those before."""
    low, high = 0, len(blocks)
    if not fresh and not coming:  # most often, and asked for every runtime
        while low < high:
            middle = (low + high) // 2
            if blocks[middle] in known:
                low = middle + 1
            else:
                high = middle
        return low
    while low < high:
        middle = (low + high) // 2
        block = blocks[middle]
        if block in known or block in fresh or block in coming:
            low = middle + 1
        else:
            high = middle
    return low
