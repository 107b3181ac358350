"""The core's belief about each runtime: outstanding work, prefix cache, speed, and the calls held for it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from sched.latency import LatencyModel, Speed
from sched.order import queue_position
from sched.policy import CallView
from sched.prefix import PrefixIndex
from sched.request import Call, State


class RuntimeState:
    """One ready runtime; implements ``sched.policy.RuntimeView``.

    ``window_tokens`` bounds the uncached prompt tokens that are sent but not yet answered by a first
    token: enough that the runtime never idles, while the rest is held here, where it can still be
    re-ordered, re-placed or cancelled for free.
    """

    def __init__(
        self,
        name: str,
        *,
        max_total_tokens: int,
        max_running_requests: int,
        window_tokens: int,
        speed: Speed | None = None,
    ) -> None:
        self.name = name
        self.max_running_requests = max_running_requests
        self.window_tokens = window_tokens
        self.latency = LatencyModel(speed.prefill, speed.decode) if speed else LatencyModel()
        self.prefixes = PrefixIndex(max_total_tokens)
        self.calls: dict[int, Call] = {}
        self.outstanding_seconds = 0.0
        self._held: list[tuple[tuple[float, int], int, Call]] = []
        self._pushes = itertools.count()
        self._sent_tokens = 0
        self._sent_calls = 0

    @property
    def outstanding_calls(self) -> int:
        """Calls placed here and not ended."""
        return len(self.calls)

    @property
    def held_calls(self) -> int:
        """Calls placed here and not sent."""
        return len(self.calls) - self._sent_calls

    @property
    def sent_tokens(self) -> int:
        """Uncached prompt tokens sent and not yet answered by a first token."""
        return self._sent_tokens

    def cached_tokens(self, call: CallView) -> int:
        """Prompt tokens of ``call`` believed to be cached here."""
        return self.prefixes.cached_tokens(call.blocks, call.prompt_tokens)

    def service_seconds(self, call: CallView) -> float:
        """Predicted seconds of ``call`` here, waiting not included."""
        uncached = call.prompt_tokens - self.cached_tokens(call)
        return self.latency.service_seconds(uncached, call.expected_output_tokens)

    def hold(self, call: Call) -> None:
        """Take a placed call; ``call.key`` and its predictions are set."""
        self.calls[call.spec.call_id] = call
        self.outstanding_seconds += call.predicted_seconds
        position = queue_position(call.key, call.sequence)
        heapq.heappush(self._held, (position, next(self._pushes), call))

    def take_sendable(self) -> Iterator[Call]:
        """Yield held calls in order while the window has room; the caller dispatches each at once."""
        while self._held:
            call = self._held[0][2]
            if call.state is not State.WAITING or call.runtime != self.name:
                heapq.heappop(self._held)  # cancelled while held
                continue
            if self._sent_tokens and self._sent_tokens + call.uncached_tokens > self.window_tokens:
                return
            heapq.heappop(self._held)
            call.alone = self._sent_calls == 0
            self._sent_calls += 1
            self._sent_tokens += call.uncached_tokens
            self.prefixes.credit(call.blocks)
            yield call

    def first_token(self, call: Call) -> None:
        """Give the window back what the call's prefill took."""
        self._sent_tokens -= call.uncached_tokens

    def release(self, call: Call) -> None:
        """Forget a call that leaves this runtime; call it before the state changes."""
        if self.calls.pop(call.spec.call_id, None) is None:
            return
        if call.state is not State.WAITING:
            self._sent_calls -= 1
        if call.state is State.DISPATCHED:
            self._sent_tokens -= call.uncached_tokens
        self.outstanding_seconds -= call.predicted_seconds
        if not self.calls:
            # Sums of floats drift; an idle runtime is exactly idle.
            self.outstanding_seconds = 0.0
            self._sent_tokens = 0
