"""What a runtime's forward passes cost: one pass as it was measured, and the rates that explain them.

A pass that decodes ``n`` calls with ``context`` tokens of KV takes ``step + (n - 1) · call + context · kv``
seconds.  One that prefills takes ``overhead + tokens · prefill + reach · attention + square · padded``.  One
that does both saves the smaller of the two, as far as it is ``hidden`` behind the larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_MOST_STALLED = 0.85
"""Share of time, at most, that prefills are believed to go on stealing."""


def stretched(seconds: float, stall_share: float) -> float:
    """Return what ``seconds`` of decoding become where prefills take ``stall_share`` of the time.

    At most 85 % count: a runtime that does nothing but prefill now won't do so for ever.
    """
    return seconds / (1 - (stall_share if stall_share < _MOST_STALLED else _MOST_STALLED))


class Pass(NamedTuple):
    """One forward pass of a runtime's scheduler.

    ``requests`` of it prefilled ``tokens`` uncached tokens; ``reach`` sums ``u · (p + u / 2)`` over their u
    new tokens after p cached ones (what attention has to read), ``square`` sums ``(p + u)²`` (what it
    computes where it pads prompts to their whole length).  ``calls`` decoded, with ``context`` tokens of KV
    together.
    """

    requests: int
    tokens: int
    reach: float
    square: float
    calls: int
    context: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Speed:
    """What is known of a runtime before its first answers; seconds.

    ``prefill``: per uncached token.  ``decode``: a step of a lone short call.  ``kv``: per token of KV read
    in a step (0: unknown).  ``overhead``: a pass, whatever it does.  ``call``: each further call in a step.
    ``attention``, ``padded``: per unit of a pass's ``reach`` and ``square``.  ``hidden``: from 0 (a mixed
    pass takes what its prefill and its step take) to 1 (only the longer of the two).  ``request``: spent on a
    call outside passes.
    """

    prefill: float
    decode: float
    kv: float = 0.0
    overhead: float = 0.0
    call: float = 0.0
    attention: float = 0.0
    padded: float = 0.0
    hidden: float = 1.0
    request: float = 0.0

    @property
    def ridge_tokens(self) -> float:
        """Tokens of a pass whose compute takes as long as the rest of a step (reading the weights)."""
        return max(0.0, self.decode - self.overhead) / self.prefill

    def prefill_seconds(self, uncached: float, cached: float = 0.0) -> float:
        """Return the seconds of a prompt's prefill in one pass of its own."""
        reach, square = uncached * (cached + uncached / 2), (cached + uncached) ** 2
        work = uncached * self.prefill + reach * self.attention + square * self.padded
        return self.overhead + max(work, self.decode - self.overhead)

    def step_seconds(self, calls: float, context: float) -> float:
        """Return the seconds of a decode step."""
        return self.decode + max(0.0, calls - 1) * self.call + context * self.kv

    def pass_seconds(self, done: Pass) -> float:
        """Return what a pass should have taken."""
        work = done.tokens * self.prefill + done.reach * self.attention + done.square * self.padded
        if not done.calls:
            return self.overhead + work
        step = self.step_seconds(done.calls, done.context)
        if not done.tokens:
            return step
        step -= self.overhead
        return self.overhead + max(work, step) + (1 - self.hidden) * min(work, step)


@dataclass(frozen=True, slots=True)
class Chunks:
    """SGLang's ``chunked_prefill_size`` and ``enable_mixed_chunk`` (defaults: its own on most cards)."""

    tokens: int = 8192
    mixed: bool = False
