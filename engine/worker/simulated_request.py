"""One request on a simulated runtime, and what it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from engine.wire.messages import Generate
from engine.worker.runtime_interface import Output

_TEXT = ("simulated ", "output ", "of ", "no ", "model. ")
_FIRST_TOKEN_ID = 100


@dataclass(slots=True, eq=False)
class SimulatedRequest:
    """A request, its place in the queue and what was produced for it; ``length`` and ``end`` are fixed."""

    request: Generate
    prompt_tokens: int
    length: int
    end: dict[str, Any]
    position: tuple[bool, tuple[int, float, int]]
    cached_tokens: int = 0
    produced: int = 0
    reason: dict[str, Any] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def output(self) -> Output:
        """Return what there is of the output."""
        return Output(
            text="".join(_TEXT[i % len(_TEXT)] for i in range(self.produced)),
            token_ids=range(_FIRST_TOKEN_ID, _FIRST_TOKEN_ID + self.produced),
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            finish_reason=self.reason,
            meta={"simulated": True},
        )
