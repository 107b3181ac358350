"""What a call is expected to take from the moment it is sent, and how far off that was."""

from __future__ import annotations

import math
from typing import NamedTuple

from sched.accuracy import Errors
from sched.events import CallFinished
from sched.latency import LatencyModel
from sched.load import Load, context_tokens
from sched.request import Call
from sched.speed import stretched

_WEIGHT = 0.1
_CLIP = math.log(3.0)
"""A prediction that was off by more counts as off by so much, so that one stall doesn't spoil the next."""
_MOST_STAGES = 256


class _Expected(NamedTuple):
    first_token: float
    per_token: float


class _Bias:
    """A decayed mean of what the model misses, per stage; a stage unknown has that of all."""

    def __init__(self) -> None:
        self._all = 0.0
        self._stages: dict[str, float] = {}

    def of(self, stage: str) -> float:
        return self._stages.get(stage, self._all)

    def learn(self, stage: str, error: float) -> None:
        """Take ``error`` in, which is what was missed with the bias already counted in."""
        if stage in self._stages or len(self._stages) < _MOST_STAGES:
            self._stages[stage] = self.of(stage) + _WEIGHT * error
        self._all += _WEIGHT * error


class Outlook:
    """Seconds of a call on one runtime: those sent before it, its prefill, its output beside the others.

    What the latency model can't know (a stage's grammars, how many calls will still come, who shares the
    machine) is learned from how far off the latest calls of the stage were: seconds before the first token,
    and a factor on decoding; both forget.

    ``service`` (seconds), ``cached`` (tokens, as shares of the prompt) and ``output`` (tokens) compare
    predictions at the time of sending with what came.
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
        self._before = _Bias()
        self._slower = _Bias()

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
        first = latency.request_seconds + self._busy_until - now
        first = max(prefill / 2, first + self._before.of(call.stage))
        per_token = stretched(step, stall_share) * math.exp(self._slower.of(call.stage))
        self._sent[call.spec.call_id] = _Expected(first, per_token)
        self._prefilling[call.spec.call_id] = prefill
        call.expected_seconds = first + max(0.0, call.expected_output_tokens - 1) * per_token

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
        first = max(1e-6, expected.first_token)
        limit = first * math.exp(_CLIP)
        self._before.learn(call.stage, max(-limit, min(limit, event.ttft_seconds - first)))
        decoding = event.total_seconds - event.ttft_seconds
        if event.output_tokens > 1 and decoding > 0:
            # Per token: that another length was expected is not the runtime's fault.
            error = math.log(decoding / (event.output_tokens - 1) / expected.per_token)
            self._slower.learn(call.stage, max(-_CLIP, min(_CLIP, error)))

    def forget(self, call_id: int) -> None:
        """Forget a call that is over."""
        self._sent.pop(call_id, None)
        self._prefilling.pop(call_id, None)
