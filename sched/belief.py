"""What a runtime's prefix cache is believed to hold: as it reports, or as guessed until it does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

from sched.accuracy import Errors
from sched.events import CacheFlushed, CacheReported, CacheScope
from sched.prefill import PrefillBatches
from sched.prefix import BLOCK_TOKENS, PrefixIndex, reusable_tokens

UNREPORTED_SECONDS = 2.0
"""A prompt that was computed is believed to be cached for so long without a report; SGLang's events and
their way here take a tenth of it, and what isn't reported by then was evicted at once."""


class CacheBelief:
    """The blocks in one runtime's prefix cache.

    A block is believed to be there if the runtime reported it, if a prompt with it was computed a moment
    ago, or if such a prompt is being computed and the next call comes into a later batch
    (``sched/prefill.py``).  A runtime that reports nothing is guessed to keep the latest prompts that fit
    into ``capacity_tokens``.

    ``errors`` compares what was believed when a call was sent with what the runtime then found, in tokens.
    Since partial blocks don't count, a belief without fault is up to a block short.
    """

    def __init__(self, capacity_tokens: int, *, overlap: bool = False) -> None:
        self.errors = Errors()
        self._guess = PrefixIndex(capacity_tokens)
        self._reported: set[int] | None = None
        self._fresh: OrderedDict[int, float] = OrderedDict()  # those that expire first stand first
        self._batches = PrefillBatches(overlap=overlap)

    def describe(self) -> dict[str, str | int | None]:
        """Return where the belief comes from, the tokens held, and how far off it was, in tokens."""
        accuracy = self.errors.accuracy()
        return {
            "source": "guessed" if self._reported is None else "reported",
            "tokens": len(self._known) * BLOCK_TOKENS,
            "predictions": accuracy.predictions,
            "error_tokens_median": accuracy.median,
            "error_tokens_p90": accuracy.p90,
        }

    @property
    def _known(self) -> Collection[int]:
        return self._guess.blocks if self._reported is None else self._reported

    def cached_tokens(self, blocks: Sequence[int], prompt_tokens: int) -> int:
        """Return how many leading tokens of a prompt are cached when its turn comes."""
        known, fresh, computing = self._known, self._fresh, self._batches.blocks
        count = 0
        for block in blocks:
            if not (block in known or block in fresh or block in computing):
                break
            count += 1
        return reusable_tokens(count, prompt_tokens)

    def pass_time(self, now: float) -> None:
        """Bring the belief up to ``now`` (seconds)."""
        self._batches.pass_time(now)
        while self._fresh:
            block, until = next(iter(self._fresh.items()))
            if until > now:
                return
            del self._fresh[block]

    def sent(
        self, call_id: int, blocks: Sequence[int], now: float, *, idle: bool, step_seconds: float
    ) -> None:
        """Note a call on its way; ``idle``: the runtime has no other.  ``step_seconds``: a decode step."""
        self._batches.sent(call_id, blocks, now, idle=idle, step_seconds=step_seconds)

    def first_token(self, call_id: int, now: float, *, step_seconds: float) -> None:
        """Note that a call's prompt is computed, and with it those of its batch."""
        for blocks in self._batches.first_token(call_id, now, step_seconds=step_seconds):
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
        self._batches.ended(call_id)

    def report(self, event: CacheReported | CacheFlushed) -> None:
        """Believe the runtime; changes are of use only after a report of everything."""
        if isinstance(event, CacheFlushed):
            self._guess.clear()
            self._fresh.clear()
            if self._reported is not None:
                self._reported.clear()
        elif event.scope is CacheScope.UNKNOWN:
            self._reported = None
            self._fresh.clear()
        elif event.scope is CacheScope.ALL:
            self._reported = set(event.added)
            self._fresh.clear()
        elif self._reported is not None:
            self._reported.update(event.added)
            self._reported.difference_update(event.removed)
            for block in (*event.added, *event.removed):
                self._fresh.pop(block, None)
