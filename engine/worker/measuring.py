"""What a runtime runs to be measured: prefills, decoding batches, and prompts that ride on these.

SGLang times its forward passes (``engine/sglang/pass_watch.py``); here are the synthetic prompts that make
passes of all the kinds that :class:`sched.predict.speed.Speed` explains.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from engine.sglang.pass_ring import RECORDS
from engine.wire.messages import RID_LENGTH, Generate
from engine.wire.token_ids import pack_ids
from engine.wire.worker_spec import Grid
from engine.worker.runtime_interface import Runtime, RuntimeInfo
from sched.clock import monotonic
from sched.predict.speed import Pass

logger = logging.getLogger(__name__)

_OVERLAP_TOKENS = 4
_TAIL = 8
"""Tokens of its own at the end of a prompt that shares the rest."""
_STEPS_PER_RIDER = 4
"""Decode steps that pass while a prompt rides, at most; with overlap scheduling its end is seen late."""


class Bench:
    """Runs a ``grid`` on a ``runtime`` that nothing else uses, as far as it fits."""

    def __init__(self, runtime: Runtime, info: RuntimeInfo, grid: Grid) -> None:
        self._runtime = runtime
        self._info = info
        self._grid = grid
        self._random = random.Random(0)
        self._count = 0
        # With overlap a pass is timed by the second launch after it (``engine/sglang/pass_watch.py``).
        self._tokens = _OVERLAP_TOKENS if info.overlap else 1
        self._passes: list[Pass] = []

    async def run(self) -> tuple[list[Pass], float] | None:
        """Return the passes and the seconds of a request outside them; ``None`` if no passes are told."""
        self._runtime.passes(RECORDS)
        longest = min(self._info.context_length, self._info.max_total_tokens) // 2
        outside = await self._prefills(longest)
        if not self._passes:
            return None
        riders = [tokens for tokens in self._grid.riders if tokens <= longest // 2]
        for context in self._grid.contexts:
            for batch in self._grid.batches:
                if context < longest:
                    await self._decode(batch, context, riders if batch in self._grid.carriers else [])
        await self._runtime.flush_cache()
        return self._passes, outside

    async def _prefills(self, longest: int) -> float:
        """Prefill prompts one after another; return the mean seconds of a request outside its passes."""
        outside = 0.0
        for _ in range(self._grid.rounds):
            for uncached, cached in self._grid.prefills:
                if uncached + cached <= longest:
                    prefix = self._ids(cached)
                    outside += await self._generate(prefix, self._tokens) if prefix else 0.0
                    outside += await self._generate(prefix + self._ids(uncached), self._tokens)
        requests = self._count
        await self._generate(self._ids(_TAIL), 1)  # a pass is told when the next one starts
        inside = sum(p.seconds for p in self._take())
        return 0.0 if self._info.overlap else max(0.0, outside - inside) / requests

    async def _decode(self, batch: int, context: int, riders: Sequence[int]) -> None:
        """Decode ``batch`` calls, if they fit, and let prompts of several lengths ride on them."""
        steps = self._grid.steps + _STEPS_PER_RIDER * self._grid.rides * len(riders)
        room = self._info.max_total_tokens - sum(riders)
        if batch + bool(riders) > self._info.max_running_requests or batch * (context + steps) > room:
            return
        shared = self._ids(context - _TAIL) if self._grid.shared else []
        if shared:
            await self._generate(shared, self._tokens)
        prompts = [shared + self._ids(context - len(shared)) for _ in range(batch)]
        begun = asyncio.Semaphore(0)
        running = [asyncio.ensure_future(self._generate(prompt, steps, begun)) for prompt in prompts]
        try:
            for _ in prompts:
                await begun.acquire()
            await self._ride(riders)
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
        self._take()

    async def _ride(self, riders: Sequence[int]) -> None:
        """Prefill prompts beside what decodes, if the runtime can mix."""
        if not riders:
            return
        try:
            await self._runtime.set_prefill_budget(max(riders))
        except RuntimeError as error:
            logger.info("mixing could not be measured: %s", error)
            return
        try:
            for _ in range(self._grid.rides):
                for tokens in riders:
                    await self._generate(self._ids(tokens), 1)
        finally:
            await self._runtime.set_prefill_budget(0)

    def _take(self) -> list[Pass]:
        """Return the passes since the last time, which are kept."""
        passes = self._runtime.passes(RECORDS)
        self._passes += passes
        return passes

    def _ids(self, count: int) -> list[int]:
        return [self._random.randrange(1, self._info.vocab_size) for _ in range(count)]

    async def _generate(
        self, prompt: Sequence[int], tokens: int, begun: asyncio.Semaphore | None = None
    ) -> float:
        """Run a request; return its seconds.  ``begun`` is released with its first token, or its end."""
        self._count += 1
        started = monotonic()
        request = Generate(
            rid=f"calibration-{self._count}".ljust(RID_LENGTH, "-"),
            token_ids=pack_ids(prompt),
            sampling={"max_new_tokens": tokens, "temperature": 0.0, "ignore_eos": True},
            key=0.0,
            sequence=self._count,
            remaining_seconds=self._grid.limit_seconds,
        )
        try:
            async for _ in self._runtime.generate(request):
                if begun is not None:
                    begun.release()
                    begun = None
        finally:
            if begun is not None:  # it failed: whoever waits for its start looks at its end
                begun.release()
        return monotonic() - started
