"""Watches the calls of a runtime and teaches its latency model what they show."""

from __future__ import annotations

import math

from sched.events import CallFinished
from sched.load import PlacedLoad
from sched.predict.latency import LatencyModel

STALL_SECONDS = 30.0
"""How long a prefill counts in the share of time that prefills take: about one long decode."""


class Stalls:
    """Seconds that prefills kept a runtime's calls from decoding: their sum, and their recent share."""

    __slots__ = ("_at", "_recent", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._recent = 0.0
        self._at = -math.inf

    def add(self, seconds: float, now: float) -> None:
        """Note a prefill that ended at ``now``."""
        self.total += seconds
        self._recent = self.share(now) * STALL_SECONDS + seconds
        self._at = now

    def share(self, now: float) -> float:
        """Return the share of time that prefills took, decayed over ``STALL_SECONDS``; at most 1."""
        if not self._recent:
            return 0.0
        share = self._recent * math.exp((self._at - now) / STALL_SECONDS) / STALL_SECONDS
        return share if share < 1.0 else 1.0


class Watch:
    """What was the case when each call was sent and when its first token came."""

    def __init__(self, latency: LatencyModel, load: PlacedLoad) -> None:
        self.stalls = Stalls()
        self._latency = latency
        self._load = load
        self._sent: dict[int, tuple[int, float]] = {}
        self._started: dict[int, tuple[float, float]] = {}

    def sent(self, call_id: int) -> None:
        """Note a call sent while others decode and no other prompt is in prefill."""
        self._sent[call_id] = self._load.running, self._load.running_context

    def first_token(self, call_id: int, uncached_tokens: int, now: float) -> None:
        """Note a first token; the load counts the call as running already."""
        others = self._load.running - 1, self._load.running_context
        self.stalls.add(self._latency.stall_seconds(uncached_tokens, *others), now)
        self._started[call_id] = self._load.running_context, self.stalls.total

    def finished(self, call_id: int, prompt_tokens: int, event: CallFinished) -> None:
        """Learn from a call that ended well and is still counted as running."""
        if call_id in self._sent:
            uncached = prompt_tokens - event.cached_tokens
            self._latency.observe_prefill(uncached, event.ttft_seconds, *self._sent[call_id])
        if call_id in self._started:
            context, stalled = self._started[call_id]
            self._latency.observe_decode(
                event.output_tokens - 1,
                event.total_seconds - event.ttft_seconds,
                (context + self._load.running_context) / 2,
                self.stalls.total - stalled,
            )

    def forget(self, call_id: int) -> None:
        """Forget a call that is over."""
        self._sent.pop(call_id, None)
        self._started.pop(call_id, None)
