"""Which of the prompts sent to a runtime are computed together, and so can't use each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sched.predict.prompt_sums import Prompt, PromptSums


class Ahead(NamedTuple):
    """The prompts that are computed ``before`` one, since ``began`` (seconds), or ``together`` with it
    (itself included)."""

    before: PromptSums
    together: PromptSums
    began: float


class _Batch:
    """Prompts computed together; ``blocks`` are theirs, with how many of them have each."""

    def __init__(self) -> None:
        self.sums = PromptSums()
        self.blocks = Counter[int]()
        self._prompts: dict[int, tuple[Sequence[int], Prompt]] = {}

    def __len__(self) -> int:
        return len(self._prompts)

    def __contains__(self, call_id: int) -> bool:
        return call_id in self._prompts

    def add(self, call_id: int, blocks: Sequence[int], prompt: Prompt) -> None:
        self._prompts[call_id] = blocks, prompt
        self.sums.add(prompt)
        self.blocks.update(blocks)

    def pop(self, call_id: int) -> Sequence[int]:
        blocks, prompt = self._prompts.pop(call_id)
        self.sums.remove(prompt)
        for block in blocks:
            self.blocks[block] -= 1
            if not self.blocks[block]:
                del self.blocks[block]
        return blocks

    def of_each(self) -> list[Sequence[int]]:
        return [blocks for blocks, _ in self._prompts.values()]


_NO_PROMPTS = PromptSums()


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
        self._computing, self._waiting = _Batch(), _Batch()
        self._closes_at = math.inf
        self._began = -math.inf

    @property
    def blocks(self) -> Collection[int]:
        """Blocks of the prompts in computation: cached for whoever comes into the next batch."""
        return self._computing.blocks

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
        """Note a prompt on its way; ``idle``: the runtime has nothing else."""
        self.pass_time(now)
        if not self._computing and not self._waiting:
            steps = (not idle) + self._overlap
            self._closes_at = now + steps * step_seconds
        self._waiting.add(call_id, blocks, prompt)
        self.pass_time(now)

    def pass_time(self, now: float) -> None:
        """Close the batch whose time for company is over."""
        if self._waiting and now >= self._closes_at:
            self._computing, self._waiting = self._waiting, _Batch()
            self._began, self._closes_at = self._closes_at, math.inf

    def ahead(self, call_id: int) -> Ahead:
        """Return what comes before the end of a prompt on its way."""
        if call_id in self._computing:
            return Ahead(_NO_PROMPTS, self._computing.sums, self._began)
        return Ahead(self._computing.sums, self._waiting.sums, self._began)

    def first_token(self, call_id: int, now: float, *, step_seconds: float) -> list[Sequence[int]]:
        """Return the prompts that a call's first token shows to be computed, which weren't known to be."""
        if call_id in self._waiting:  # the batches were guessed wrong
            return [self._waiting.pop(call_id)]
        if call_id not in self._computing:
            return []
        computed = self._computing.of_each()
        self._computing = _Batch()
        if self._waiting:
            self._closes_at = now + self._overlap * step_seconds
            self.pass_time(now)
        return computed

    def ended(self, call_id: int) -> None:
        """Forget a call that ended before its first token."""
        if call_id in self._waiting:
            self._waiting.pop(call_id)
        elif call_id in self._computing:
            self._computing.pop(call_id)
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
