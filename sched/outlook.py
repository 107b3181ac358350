"""What a call is expected to take from the moment it is sent, and how far off that was."""

from __future__ import annotations

import math
from typing import NamedTuple

from sched.accuracy import Errors
from sched.events import CallFinished
from sched.latency import LatencyModel
from sched.load import Load, context_tokens
from sched.request import Call

_WEIGHT = 0.05
_CLIP = math.log(3.0)
"""A prediction that was off by more counts as off by so much, so that one stall doesn't spoil the next."""
_MOST_STALLED = 0.85


class _Expected(NamedTuple):
    first_token: float
    decoding: float
    prefill: float


class Outlook:
    """Seconds of a call on one runtime: those sent before it, its prefill, its output beside the others.

    What the latency model can't know (how many will still come, who shares the machine) is learned as two
    factors, on the time to the first token and on decoding, from how far off the latest calls were; both
    forget.  ``service`` (seconds), ``cached`` (tokens, as shares of the prompt) and ``output`` (tokens)
    compare predictions at the time of sending with what came.
    """

    def __init__(self, latency: LatencyModel, load: Load) -> None:
        self.service = Errors()
        self.cached = Errors()
        self.output = Errors()
        self._latency = latency
        self._load = load
        self._sent: dict[int, _Expected] = {}
        self._prefilling: dict[int, float] = {}
        self._busy_until = 0.0
        self._factors = [0.0, 0.0]

    def describe(self) -> dict[str, dict[str, float | None]]:
        """Return how far off predictions were: service in seconds, cached and output in tokens."""
        return {
            "service_seconds": self.service.accuracy().as_dict(),
            "cached_tokens": self.cached.accuracy().as_dict(),
            "output_tokens": self.output.accuracy().as_dict(),
        }

    def sent(self, call: Call, stall_share: float, now: float) -> None:
        """Predict ``call``, which is being sent, and write its ``expected_seconds``.

        ``stall_share``: the share of time that prefills took of late.
        """
        latency, load = self._latency, self._load
        prefill = latency.prompt_seconds(call.uncached_tokens, call.predicted_cached_tokens)
        calls = load.running + len(self._prefilling) + 1
        context = load.running_context + len(self._prefilling) * context_tokens(call)
        step = latency.step_seconds(calls, context + context_tokens(call))
        if not self._prefilling:
            self._busy_until = now + (step / 2 if load.running else 0.0)
        self._busy_until = max(self._busy_until, now) + prefill
        first = (latency.request_seconds + self._busy_until - now) * math.exp(self._factors[0])
        steps = max(0.0, call.expected_output_tokens - 1)
        decoding = steps * step / (1 - min(_MOST_STALLED, stall_share)) * math.exp(self._factors[1])
        self._sent[call.spec.call_id] = _Expected(first, decoding, prefill)
        self._prefilling[call.spec.call_id] = prefill
        call.expected_seconds = first + decoding

    def first_token(self, call: Call, cached_tokens: int, now: float) -> None:
        """Note a first token, and how much of the prompt was cached."""
        self._prefilling.pop(call.spec.call_id, None)
        self._busy_until = now + sum(self._prefilling.values())
        self.cached.add(call.predicted_cached_tokens, cached_tokens, call.prompt_tokens)

    def finished(self, call: Call, event: CallFinished) -> None:
        """Learn from a call that ended well."""
        expected = self._sent.get(call.spec.call_id)
        if expected is None:
            return
        self.service.add(call.expected_seconds, event.total_seconds)
        self.output.add(call.expected_output_tokens, event.output_tokens)
        self._learn(0, expected.first_token, event.ttft_seconds)
        steps = max(0.0, call.expected_output_tokens - 1)
        if event.output_tokens > 1 and steps:
            decoding = event.total_seconds - event.ttft_seconds
            # Per token: that another length was expected is not the runtime's fault.
            self._learn(1, expected.decoding / steps, decoding / (event.output_tokens - 1))

    def forget(self, call_id: int) -> None:
        """Forget a call that is over."""
        self._sent.pop(call_id, None)
        self._prefilling.pop(call_id, None)

    def _learn(self, which: int, expected: float, real: float) -> None:
        if expected > 0 and real > 0:
            error = max(-_CLIP, min(_CLIP, math.log(real / expected)))
            self._factors[which] = max(-_CLIP, min(_CLIP, self._factors[which] + _WEIGHT * error))
