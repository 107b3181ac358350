"""One request on a simulated runtime, and what it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from engine.wire.messages import Generate
from engine.worker.runtime_interface import Output

_TEXT = ("simulated ", "output ", "of ", "no ", "model. ")
_FIRST_TOKEN_ID = 100
_CHARACTERS = 4
"""Of a token of a given text."""


def pieces_of(text: str) -> tuple[str, ...]:
    """Return the text of each token of ``text``."""
    return tuple(text[i : i + _CHARACTERS] for i in range(0, len(text), _CHARACTERS))


@dataclass(slots=True, eq=False)
class SimulatedRequest:
    """A request, its place in the queue and what was produced for it; ``length`` and ``end`` are fixed.

    ``pieces`` are the texts of its tokens, over and over.
    """

    request: Generate
    prompt_tokens: int
    length: int
    end: dict[str, Any]
    position: tuple[bool, tuple[int, float, int]]
    pieces: tuple[str, ...] = _TEXT
    cached_tokens: int = 0
    produced: int = 0
    reason: dict[str, Any] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def output(self) -> Output:
        """Return what there is of the output."""
        return Output(
            text="".join(self.pieces[i % len(self.pieces)] for i in range(self.produced)),
            token_ids=range(_FIRST_TOKEN_ID, _FIRST_TOKEN_ID + self.produced),
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            finish_reason=self.reason,
            meta={"simulated": True},
        )
