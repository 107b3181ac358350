"""The core's belief about each runtime: outstanding work, prefix cache, speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sched.cache.belief import CacheBelief
from sched.cache.prefix import BLOCK_TOKENS, reusable_tokens
from sched.events import CacheFlushed, CacheReported, CallFinished, RuntimeUp
from sched.held import HeldCalls
from sched.load import PlacedLoad
from sched.predict.latency import LatencyModel
from sched.predict.outlook import Outlook
from sched.predict.prompt_sums import Prompt, PromptSums
from sched.predict.speed import Chunks, Speed
from sched.predict.usual_seconds import RETRY_SECONDS
from sched.predict.watch import Watch
from sched.request import Call, State
from sched.shared_held import SharedHeld
from sched.shares import Shares
from sched.views import CallView
from sched.window import SendingWindow
from sched.workflow import PromptSeconds


class RuntimeState:
    """One ready runtime; implements ``sched.views.RuntimeView``.  ``window_tokens`` as in ``CoreLimits``."""

    def __init__(
        self,
        name: str,
        *,
        max_total_tokens: int,
        max_running_requests: int,
        window_tokens: int,
        speed: Speed | None = None,
        chunks: Chunks | None = None,
        overlap: bool = False,
        shares: Shares | None = None,
    ) -> None:
        self.name = name
        self.max_total_tokens = max_total_tokens
        self.max_running_requests = max_running_requests
        self.window = SendingWindow(SharedHeld(name, shares) if shares else HeldCalls(name), window_tokens)
        self.latency = LatencyModel.calibrated(speed, chunks) if speed else LatencyModel(chunks=chunks)
        self.load = PlacedLoad()
        self.cache = CacheBelief(max_total_tokens, overlap=overlap)
        self.calls: dict[int, Call] = {}
        self.outstanding_seconds = 0.0
        self.lone_outstanding_seconds = 0.0
        self.new_tokens = 0
        self.outlook = Outlook(self.latency, self.load)
        self._watch = Watch(self.latency, self.load)
        self._idle_since: float | None = None

    @classmethod
    def of(cls, event: RuntimeUp, window_tokens: int, shares: Shares | None = None) -> RuntimeState:
        """Return the runtime that ``event`` announces."""
        return cls(
            event.name,
            max_total_tokens=event.max_total_tokens,
            max_running_requests=event.max_running_requests,
            window_tokens=window_tokens,
            speed=event.speed,
            chunks=event.chunks,
            overlap=event.overlap,
            shares=shares,
        )

    @property
    def outstanding_calls(self) -> int:
        """Calls placed here and not ended."""
        return len(self.calls)

    @property
    def held_calls(self) -> int:
        """Calls placed here and not sent."""
        return len(self.calls) - self.window.sent_calls

    @property
    def sent_tokens(self) -> int:
        """Uncached prompt tokens sent and not yet answered by a first token."""
        return self.window.sent_tokens

    @property
    def lone_decode_seconds(self) -> float:
        """Seconds per output token of a call alone here."""
        return self.latency.lone_decode_seconds_per_token

    def pass_time(self, now: float) -> None:
        """Give a runtime that has run nothing for some time another chance."""
        if self.calls or self._idle_since is None:
            self._idle_since = None if self.calls else now
        elif now - self._idle_since >= RETRY_SECONDS:
            self.latency.forgive()
            self._idle_since = now

    def cached_tokens(self, call: CallView) -> int:
        """Prompt tokens of ``call`` believed to be cached here."""
        return self.cache.cached_tokens(call.blocks, call.prompt_tokens)

    def expected_tokens(self, call: CallView) -> int:
        """Prompt tokens of ``call`` that are cached here or on their way into the cache."""
        return self.cache.expected_tokens(call.blocks, call.prompt_tokens)

    def stall_share(self, now: float) -> float:
        """Share of recent time in which prefills kept this runtime's calls from decoding."""
        return self._watch.stalls.share(now)

    def service_seconds(self, call: CallView) -> float:
        """Predicted seconds of ``call`` here, waiting not included."""
        uncached = call.prompt_tokens - self.cached_tokens(call)
        return self.latency.service_seconds(uncached, call.expected_output_tokens)

    def pass_seconds(self) -> float:
        """Predicted seconds of the longest forward pass that the calls sent here may need now: as much of the
        prompts as one pass takes, beside all that decode."""
        room, prompts, decoding, context = self.latency.chunks.tokens, PromptSums(), 0, 0.0
        for call in self.calls.values():
            if call.state is State.RUNNING:
                decoding += 1
                context += call.prompt_tokens + call.expected_output_tokens
            elif call.state is State.DISPATCHED and room > 0:
                tokens = min(room, call.uncached_tokens)
                room -= tokens
                prompts.add(Prompt(tokens, call.prompt_tokens - tokens))
        prefill = self.latency.prompts_seconds(prompts) if prompts.count else 0.0
        return prefill + (self.latency.step_seconds(decoding, context) if decoding else 0.0)

    def prompt_seconds(
        self, blocks: Sequence[int], prompt_tokens: int, shared_tokens: int, output_tokens: float
    ) -> PromptSeconds:
        """Return what a prompt of ``blocks`` costs a lone call here: as things are, and with its first
        ``shared_tokens`` cached."""
        cached = self.cache.expected_tokens(blocks, prompt_tokens)
        shared = reusable_tokens(shared_tokens // BLOCK_TOKENS, prompt_tokens)
        rate = self.latency.prefill_seconds_per_token
        reading = output_tokens * self.latency.step_seconds(1, prompt_tokens)
        now, warm = prompt_tokens - cached, prompt_tokens - max(cached, shared)
        return PromptSeconds(now * rate + reading, warm * rate + reading)

    def hold(self, call: Call) -> None:
        """Take a placed call; ``call.key`` and its predictions are set."""
        self.calls[call.spec.call_id] = call
        self.window.held.entered(call)
        self.outstanding_seconds += call.predicted_seconds
        call.predicted_lone_seconds = self.latency.lone_seconds(
            call.prompt_tokens, call.expected_output_tokens
        )
        self.lone_outstanding_seconds += call.predicted_lone_seconds
        self.new_tokens += call.uncached_tokens
        self.load.add(call)
        self.cache.placed(call.spec.call_id, call.blocks)
        self.reorder(call)

    def reorder(self, call: Call) -> None:
        """Give a held call the place of its new key."""
        self.window.held.compact(len(self.calls))
        self.window.held.push(call)

    def take_sendable(self, now: float, ends: Callable[[Call], bool]) -> Iterator[Call]:
        """Yield held calls in order while the window has room; the caller dispatches each at once.

        ``ends`` is asked of each before, and may end it and others instead.

        Each is predicted anew before, since the cache may hold another part of it than when it was placed.
        """
        self.cache.pass_time(now)
        self.window.held.now = now
        while (call := self.window.take(ends, self._waits_for_prefix, self._predict, self)) is not None:
            prefills_alone = self.sent_tokens == call.uncached_tokens
            if prefills_alone and not call.alone:
                self._watch.sent(call.spec.call_id)
            prompt = self.outlook.prompt(call)
            self.cache.sent(
                call.spec.call_id, call.blocks, prompt, now, idle=call.alone, step_seconds=self._step_seconds
            )
            self.outlook.sent(call, prompt, self.cache.batches.ahead(call.spec.call_id), now)
            yield call

    def _waits_for_prefix(self, call: Call) -> bool:
        """Whether a held call should wait until a prompt that is being computed here is cached."""
        share = call.placement.share_tokens if call.placement else 0
        if not share:
            return False
        owner, tokens = self.cache.awaited(call.spec.call_id, call.blocks, call.prompt_tokens)
        return owner is not None and tokens >= share and self.calls[owner].state is State.DISPATCHED

    @property
    def _step_seconds(self) -> float:
        return self.latency.decode_seconds_per_token

    def _predict(self, call: Call) -> None:
        self.outstanding_seconds -= call.predicted_seconds
        before = call.uncached_tokens
        call.predicted_cached_tokens = self.cached_tokens(call)
        call.predicted_seconds = self.service_seconds(call)
        self.outstanding_seconds += call.predicted_seconds
        self.load.predicted(call, before)

    def cache_reported(self, event: CacheFlushed | CacheReported) -> None:
        """Note what the runtime says of its prefix cache."""
        self.cache.report(event)
        if isinstance(event, CacheFlushed):
            self.outlook.flushed()

    def first_token(self, call: Call, cached_tokens: int, now: float) -> None:
        """Note that a call's prompt is computed; ``cached_tokens`` of it were cached."""
        self.window.first_token(call)
        self.cache.first_token(call.spec.call_id, now, step_seconds=self._step_seconds)
        self.outlook.first_token(call, cached_tokens)
        self.load.start(call)
        self._watch.first_token(call.spec.call_id, call.prompt_tokens - cached_tokens, now)

    def finished(self, call: Call, event: CallFinished, now: float) -> None:
        """Learn from a call that ended well, and release it."""
        self.latency.observe(
            call.prompt_tokens - event.cached_tokens,
            event.output_tokens,
            event.ttft_seconds,
            event.total_seconds,
            alone=call.alone,
        )
        self._watch.finished(call.spec.call_id, call.prompt_tokens, event)
        self.outlook.finished(call, event, now)
        self.window.held.finished(call, self, event.cached_tokens, event.output_tokens)
        self.cache.computed((*call.blocks, *event.output_blocks), now)
        self.release(call)

    def release(self, call: Call) -> None:
        """Forget a call that leaves this runtime; call it before the state changes."""
        if self.calls.pop(call.spec.call_id, None) is None:
            return
        self.window.released(call)
        self.cache.ended(call.spec.call_id)
        self._watch.forget(call.spec.call_id)
        self.outlook.forget(call.spec.call_id)
        self.load.remove(call, started=call.state is State.RUNNING)
        self.outstanding_seconds -= call.predicted_seconds
        self.lone_outstanding_seconds -= call.predicted_lone_seconds
        if not self.calls:
            # Sums of floats drift; an idle runtime is exactly idle.
            self.outstanding_seconds = self.lone_outstanding_seconds = 0.0
