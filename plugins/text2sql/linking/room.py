"""How much of the model's context is left for a schema."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

from sched.workflow import Segment, SegmentKind

TokenCounter = Callable[[Sequence[Segment]], Awaitable[int]]
"""Counts the tokens of a prompt as the server's model is asked."""

_SLACK_TOKENS = 16
"""Of each prompt: what a chat template puts at its end may be longer than it was when it was counted."""
_MARK = Segment(SegmentKind.SCHEMA, "--\n")


class Room:
    """The model's context, unlimited until it is known."""

    def __init__(self) -> None:
        self._context_tokens = math.inf
        self._count: TokenCounter | None = None
        self._around: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether the context is known."""
        return self._count is not None

    def limit(self, context_tokens: int, count_tokens: TokenCounter) -> None:
        """Note the model's context, prompt and answer together."""
        self._context_tokens, self._count = context_tokens, count_tokens

    async def left(self, prompt: Sequence[Segment], answer_tokens: int) -> float:
        """Return the tokens that ``prompt`` and an answer of ``answer_tokens`` leave; negative: none."""
        if self._count is None:
            return math.inf
        return self._context_tokens - await self._count(prompt) - answer_tokens - _SLACK_TOKENS

    async def tokens(self, text: str, kind: SegmentKind = SegmentKind.SCHEMA) -> int:
        """Return the tokens of ``text`` as a segment within a prompt; 0 while nobody can count."""
        if self._count is None:
            return 0
        # Between two others, so that neither the tokenizer's prefix nor a chat template counts.
        if self._around is None:
            self._around = await self._count((_MARK, _MARK))
        return await self._count((_MARK, Segment(kind, text), _MARK)) - self._around
