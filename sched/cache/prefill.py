"""Which of the prompts sent to a runtime are computed together, and so can't use each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple


class Ahead(NamedTuple):
    """Calls whose prompts are computed ``before`` one, since ``began`` (seconds), or ``together`` with it
    (itself included)."""

    before: Collection[int]
    together: Collection[int]
    began: float


class PrefillBatches:
    """The batch that a runtime computes, and the prompts that wait for the next one.

    SGLang looks a prompt up in its cache when it takes it into a batch, and inserts it when the batch has
    been computed.  So a prompt helps those that come into a later batch and not its companions.  A batch
    ends with the first token of any prompt in it; the next one then takes all that wait.  With nothing in
    computation the first prompt to arrive has until the end of the present decode step (``step_seconds``)
    for company, on an idle runtime none.

    ``overlap``: the runtime plans a batch before it has the results of the one in computation, so company
    has a step longer.  All times are seconds on the core's clock.
    """

    def __init__(self, *, overlap: bool = False) -> None:
        self._overlap = overlap
        self._computing: dict[int, Sequence[int]] = {}
        self._waiting: dict[int, Sequence[int]] = {}
        self._closes_at = math.inf
        self._began = -math.inf
        self.blocks: Collection[int] = frozenset()
        """Blocks of the prompts in computation: cached for whoever comes into the next batch."""

    def sent(
        self, call_id: int, blocks: Sequence[int], now: float, *, idle: bool, step_seconds: float
    ) -> None:
        """Note a prompt on its way; ``idle``: the runtime has nothing else."""
        self.pass_time(now)
        if not self._computing and not self._waiting:
            steps = (not idle) + self._overlap
            self._closes_at = now + steps * step_seconds
        self._waiting[call_id] = blocks
        self.pass_time(now)

    def pass_time(self, now: float) -> None:
        """Close the batch whose time for company is over."""
        if self._waiting and now >= self._closes_at:
            self._computing, self._waiting = self._waiting, {}
            self._began, self._closes_at = self._closes_at, math.inf
            self.blocks = frozenset().union(*self._computing.values())

    def ahead(self, call_id: int) -> Ahead:
        """Return what comes before the end of a prompt on its way."""
        if call_id in self._computing:
            return Ahead((), self._computing, self._began)
        return Ahead(self._computing, self._waiting, self._began)

    def first_token(self, call_id: int, now: float, *, step_seconds: float) -> list[Sequence[int]]:
        """Return the prompts that a call's first token shows to be computed, which weren't known to be."""
        if call_id in self._waiting:  # the batches were guessed wrong
            return [self._waiting.pop(call_id)]
        if call_id not in self._computing:
            return []
        computed = list(self._computing.values())
        self._computing, self.blocks = {}, frozenset()
        if self._waiting:
            self._closes_at = now + self._overlap * step_seconds
            self.pass_time(now)
        return computed

    def ended(self, call_id: int) -> None:
        """Forget a call that ended before its first token."""
        if self._waiting.pop(call_id, None) is None and self._computing.pop(call_id, None) is not None:
            self.blocks = frozenset().union(*self._computing.values())
            if not self._computing:
                self._closes_at = -math.inf


class OnTheWay:
    """The blocks that calls placed on a runtime will compute, each with the call that computes it first."""

    def __init__(self) -> None:
        self._computing: dict[int, int] = {}
        self._blocks: dict[int, Sequence[int]] = {}
        self.blocks: Collection[int] = self._computing.keys()

    def add(self, call_id: int, blocks: Sequence[int]) -> None:
        """Note a placed call and the ``blocks`` of its prompt that aren't cached."""
        self._blocks[call_id] = blocks
        for block in blocks:
            self._computing.setdefault(block, call_id)

    def owner(self, block: int) -> int | None:
        """Return the call that computes ``block``."""
        return self._computing.get(block)

    def remove(self, call_id: int) -> None:
        """Forget a call: its prompt is computed, or won't be."""
        for block in self._blocks.pop(call_id, ()):
            if self._computing.get(block) == call_id:
                del self._computing[block]
