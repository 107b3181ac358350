"""One simulated SGLang runtime, iteration by iteration; runs of decoding are stepped over at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sched.sim.batching import Batching
from sched.sim.decode_run import DecodeRun
from sched.sim.hardware import FLOP_PER_TOKEN, Gpu
from sched.sim.pass_log import PassLog
from sched.sim.radix_cache import KvMemory
from sched.sim.running_batch import PrefillBudget, RunningBatch, SimRequest, TokenRatio


class IterationResult(NamedTuple):
    """What an iteration brought: requests with their first token, and ended ones."""

    first: list[SimRequest]
    finished: list[SimRequest]


@dataclass(slots=True)
class _Work:
    """An iteration with ``batch`` (requests in prefill and their tokens), or a run of ``steps`` decode
    iterations, or both in one (mixed); ``host`` seconds of it are outside the pass."""

    began: float
    end: float
    steps: int
    host: float = 0.0
    batch: list[tuple[SimRequest, int]] = field(default_factory=list)
    run: DecodeRun | None = None


class EngineModel:
    """SGLang's scheduler loop (``get_next_batch_to_run``, ``PrefillAdder``, ``retract_decode``) in time.

    The owner submits and aborts, calls :meth:`complete` at ``end``, and :meth:`plan` when idle.
    """

    def __init__(self, gpu: Gpu, batching: Batching) -> None:
        self.gpu = gpu
        self.batching = batching
        self.memory = KvMemory(batching.max_total_tokens)
        self.running = RunningBatch()
        self.waiting: list[SimRequest] = []
        self.passes = PassLog()
        self.retractions = 0
        self.busy_seconds = 0.0
        self._work: _Work | None = None
        self._chunked: SimRequest | None = None
        self._full = False
        self._aborted: list[SimRequest] = []
        self._ratio = TokenRatio(batching)

    @property
    def end(self) -> float | None:
        """When the present work ends, seconds; ``None`` while idle."""
        return self._work.end if self._work else None

    def submit(self, request: SimRequest, now: float) -> None:
        """Queue a request; if it may be admitted, the iteration in progress is the last before planning."""
        self.waiting.append(request)
        if not self._full:
            self._interrupt(now)

    def abort(self, call_id: int, attempt: int, now: float) -> None:
        """End a request without a report, at the latest when the iteration in progress ends."""
        everywhere = [*self.waiting, *self.running, *self._prefilling()]
        request = next((r for r in everywhere if (r.call_id, r.attempt) == (call_id, attempt)), None)
        if request is None:
            return
        if request in self.waiting:
            self.waiting.remove(request)
        elif self._work is None:
            self._drop(request)
        else:
            self._aborted.append(request)
            self._interrupt(now)

    def complete(self, now: float) -> IterationResult:
        """Account for the work that ends at ``now``."""
        assert self._work is not None
        work, self._work = self._work, None
        self.busy_seconds += now - work.began
        calls = len(self.running) if work.steps else 0
        self.memory.decoded(work.steps * calls)
        context = (self.running.kv_tokens + work.steps * calls) if calls else 0
        self.passes.note(work.batch, calls, context, work.steps, now - work.began - work.host)
        progress = IterationResult([], self.running.decode(work.steps))
        for request, tokens in work.batch:
            self._prefilled(request, tokens, now, progress)
        for request in progress.finished:
            self.memory.free(request, keep_output=True)
        for request in self._aborted:
            self._drop(request)
        self._full = self._full and not progress.finished
        self._aborted.clear()
        self.memory.evict()
        self._ratio.decay(0 if work.batch else work.steps)
        return progress

    def plan(self, now: float) -> list[SimRequest]:
        """Start the next iteration, if there is anything to do; return requests that can never fit."""
        assert self._work is None
        failed: list[SimRequest] = []
        retractions = self.retractions
        while self._work is None:
            batch = self._admit(now)
            if batch:
                self._work = self._prefill_work(batch, now)
            elif self._make_room():
                # What was retracted may be admitted again after one step.
                self._work = self._decode_work(now, 1 if self.retractions > retractions else None)
            elif self._chunked is not None or self.waiting:
                # Nothing runs and yet it does not fit.
                failed.append(self._chunked or self.waiting.pop(0))
                self._drop(failed[-1])
            else:
                break
        return failed

    # --- admission ------------------------------------------------------------------------------

    def _admit(self, now: float) -> list[tuple[SimRequest, int]]:
        """Return the next prefill: a chunked request first, then the queue in order.

        The first request that does not fit ends admission, and none is tried again before a request has
        left the batch.
        """
        if self._chunked is None and (self._full or not self.waiting):
            return []
        budget = self._budget()
        if self._chunked is not None and self._continue_chunk(self._chunked, budget):
            self._chunked = None
        if self._chunked is None:
            self.waiting.sort(key=lambda r: r.position)
            admitted = 0
            for request in self.waiting:
                if budget.tokens <= 0 or self._chunked is not None:
                    break
                if len(budget.batch) >= budget.requests or not self._add(request, budget):
                    self._full = True
                    break
                request.admitted_at = now if request.admitted_at is None else request.admitted_at
                admitted += 1
            del self.waiting[:admitted]
        return budget.batch

    def _budget(self) -> PrefillBudget:
        settings, clip, running = self.batching, self.batching.clip_max_new_tokens, len(self.running)
        mixed = running if settings.enable_mixed_chunk else 0
        inside = 0 if settings.chunk_over_decodes else mixed
        return PrefillBudget(
            tokens=min(settings.chunked_prefill_size - inside, settings.max_prefill_tokens - mixed),
            requests=settings.max_running_requests - running,
            room=self.memory.available - mixed - self._ratio.value * self.running.promised_tokens(clip),
            reserved=clip,
        )

    def _continue_chunk(self, request: SimRequest, budget: PrefillBudget) -> bool:
        """Give the chunked request its next tokens; return whether these are its last."""
        left = request.missing_tokens
        mixed = len(self.running) if self.batching.enable_mixed_chunk else 0
        tokens = min(left, budget.tokens, self.memory.available - mixed)
        if tokens > 0:
            budget.take(request, tokens)
        return tokens == left

    def _add(self, request: SimRequest, budget: PrefillBudget) -> bool:
        """Admit a waiting request, in part if the budget says so; return whether it fits."""
        before = self.memory.available
        self.memory.adopt(request)
        budget.room -= before - self.memory.available
        left = request.missing_tokens
        if left + budget.reserve(request) >= budget.room:
            self.memory.free(request, keep_output=False)
            return False
        if request.admitted_at is None:
            request.cached_tokens = request.computed
        tokens = min(left, budget.tokens)
        budget.take(request, tokens)
        if tokens < left:
            self._chunked = request
        return True

    # --- work -----------------------------------------------------------------------------------

    def _prefill_work(self, batch: list[tuple[SimRequest, int]], now: float) -> _Work:
        decodes = len(self.running) if self.batching.enable_mixed_chunk else 0
        flop = decodes * FLOP_PER_TOKEN
        kv_tokens = self.running.kv_tokens if decodes else 0
        for request, tokens in batch:
            flop += self.gpu.prefill_flop(tokens, request.computed)
            kv_tokens += request.computed + tokens
        host = self.gpu.host_seconds * sum(tokens == request.missing_tokens for request, tokens in batch)
        end = now + host + self.gpu.iteration_seconds(flop, kv_tokens, decodes)
        return _Work(now, end, steps=1 if decodes else 0, host=host, batch=batch)

    def _make_room(self) -> bool:
        """Retract requests until one step fits; return whether any request is left to decode."""
        while len(self.running) > self.memory.available and len(self.running) > 1:
            request = self.running.retract()
            self.memory.free(request, keep_output=False)
            self.waiting.append(request)
            self.retractions += 1
            self._ratio.restart(self.running.token_ratio())
            self._full = False
        return len(self.running) > 0

    def _decode_work(self, now: float, most: int | None) -> _Work:
        count = len(self.running)
        run = DecodeRun(self.gpu, count, self.running.kv_tokens)
        # A last request without room goes on: SGLang would abort it, here its prompt was let in too tightly.
        steps = most or max(1, min(self.running.steps_to_end(), self.memory.available // count))
        return _Work(now, now + run.seconds(steps), steps=steps, run=run)

    def _interrupt(self, now: float) -> None:
        """Let a run of decoding end with the iteration in progress at ``now``."""
        work = self._work
        if work is not None and work.run is not None:
            work.steps = work.run.steps_by(now - work.began, work.steps)
            work.end = work.began + work.run.seconds(work.steps)

    def _prefilled(self, request: SimRequest, tokens: int, now: float, progress: IterationResult) -> None:
        self.memory.computed(request, tokens)
        if request.missing_tokens:
            return
        request.produced += 1
        if request.first_token_at is None:
            request.first_token_at = now
            progress.first.append(request)
        if request.produced >= request.output_tokens:
            progress.finished.append(request)
        else:
            self.running.join(request)

    def _prefilling(self) -> Iterator[SimRequest]:
        if self._work is not None:
            yield from (request for request, _ in self._work.batch)
        if self._chunked is not None:
            yield self._chunked

    def _drop(self, request: SimRequest) -> None:
        """Forget an aborted request wherever it is."""
        if request in self.running:
            self.running.leave(request)
        if request is self._chunked:
            self._chunked = None
        self.memory.free(request, keep_output=False)
        self._full = False
