"""What a call is likely to take from the moment it is sent, and how far off that was."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from statistics import median
from typing import Generic, NamedTuple, TypeVar

from sched.cache.prefill import Ahead
from sched.events import CallFinished
from sched.load import PlacedLoad
from sched.predict.accuracy import Errors
from sched.predict.latency import LatencyModel
from sched.predict.prompt_sums import Prompt
from sched.request import Call

K = TypeVar("K")

_MOST_KEYS = 512
_SECONDS_LATEST = 101
_CACHED_LATEST = 25
_LEAST = 3
_SHORTEST = 0.3
"""Share of the modelled seconds to a first token that are left, whatever was learned."""
_ANY = -1
"""Stands for whatever was believed to be cached, as the stage "" does for all stages."""


class _Expected(NamedTuple):
    """Seconds from the sending, ``at``, until the first token and per further one, as the model has them."""

    at: float
    first_token: float
    per_token: float


class _Medians(Generic[K]):
    """Medians of the latest values per key, at least three; keys least in use are first out."""

    def __init__(self, latest: int) -> None:
        self._most = latest
        self._latest: OrderedDict[K, deque[float]] = OrderedDict()

    def of(self, *keys: K) -> float | None:
        """Return the median of the first of ``keys`` that is known."""
        for key in keys:
            latest = self._latest.get(key, ())
            if len(latest) >= _LEAST:
                return median(latest)
        return None

    def learn(self, value: float, *keys: K) -> None:
        """Take a value in, for all of ``keys``."""
        for key in keys:
            self._latest.setdefault(key, deque(maxlen=self._most)).append(value)
            self._latest.move_to_end(key)
            if len(self._latest) > _MOST_KEYS:
                self._latest.popitem(last=False)


class Outlook:
    """What one call on a runtime is likely to show: medians, where the policies need means of many.

    *Cached tokens*: the belief counts whole blocks; added is what the stage's latest prompts, of which as
    much was believed to be cached, had beyond that.  *Seconds*: the latency model's, with the prompts before
    the call and in its batch.  To the first token is added what the stage's latest calls took beyond it, the
    ways to the runtime and back included: these cost a long prompt no more than a short one.  What follows is
    multiplied by real over predicted.  Both hold what the model can't know: a stage's grammars, how many
    calls will still come, who shares the machine.

    ``service`` (seconds), ``cached`` (tokens, as shares of the prompt) and ``output`` (tokens) compare
    predictions at the time of sending with what came, as the core saw it.
    """

    def __init__(self, latency: LatencyModel, load: PlacedLoad) -> None:
        self.service = Errors()
        self.cached = Errors()
        self.output = Errors()
        self._latency = latency
        self._load = load
        self._sent: dict[int, _Expected] = {}
        self._prompts: dict[int, Prompt] = {}
        self._prompt_tokens = 0
        self._remainder = _Medians[tuple[str, int]](_CACHED_LATEST)
        self._beyond = _Medians[str](_SECONDS_LATEST)
        self._decode = _Medians[str](_SECONDS_LATEST)

    def describe(self) -> dict[str, dict[str, float | None]]:
        """Return how far off predictions were: service in seconds, cached and output in tokens."""
        return {
            "service_seconds": self.service.accuracy().as_dict(),
            "cached_tokens": self.cached.accuracy().as_dict(),
            "output_tokens": self.output.accuracy().as_dict(),
        }

    def prompt(self, call: Call) -> Prompt:
        """Return what is likely to be computed of the prompt of ``call``, and write its
        ``likely_cached_tokens``."""
        stage, believed = call.stage, call.predicted_cached_tokens
        more = self._remainder.of((stage, believed), (stage, _ANY)) or 0.0
        cached = round(min(max(0.0, believed + more), call.prompt_tokens - 1.0))
        call.likely_cached_tokens = cached
        return Prompt(call.prompt_tokens - cached, cached)

    def sent(self, call: Call, prompt: Prompt, ahead: Ahead, now: float) -> None:
        """Write the ``expected_seconds`` of ``call``, which is being sent with ``prompt``."""
        stage = call.stage
        self._prompts[call.spec.call_id] = prompt
        self._prompt_tokens += sum(prompt)
        seconds = _Expected(now, self._first_token(ahead, now), self._per_token())
        self._sent[call.spec.call_id] = seconds
        beyond = self._beyond.of(stage, "") or 0.0
        first = max(_SHORTEST * seconds.first_token, seconds.first_token + beyond)
        per_token = seconds.per_token * (self._decode.of(stage, "") or 1.0)
        call.expected_seconds = first + max(0.0, call.likely_output_tokens - 1) * per_token

    def _first_token(self, ahead: Ahead, now: float) -> float:
        """Return the seconds until a prompt is computed: after those before it, with its companions."""
        latency, load = self._latency, self._load
        wait = 0.0
        if ahead.before.count:
            wait = max(0.0, ahead.began + latency.prompts_seconds(ahead.before) - now)
        elif load.running:  # the step in progress is half done, on average
            wait = latency.step_seconds(load.running, load.running_context) / 2
        return latency.request_seconds + wait + latency.prompts_seconds(ahead.together)

    def _per_token(self) -> float:
        """Return the seconds of an output token: between the present batch's step and the recent rate, since
        the batch will change on the way."""
        load, latency = self._load, self._latency
        calls = load.running + len(self._prompts)
        context = load.running_context + self._prompt_tokens
        return math.sqrt(latency.step_seconds(calls, context) * latency.decode_seconds_per_token)

    def first_token(self, call: Call, cached_tokens: int) -> None:
        """Note a first token, and how much of the prompt was cached."""
        stage, believed = call.stage, call.predicted_cached_tokens
        self._computed(call.spec.call_id)
        self.cached.add(call.likely_cached_tokens, cached_tokens, call.prompt_tokens)
        self._remainder.learn(cached_tokens - believed, (stage, believed), (stage, _ANY))

    def flushed(self) -> None:
        """Forget what prompts found in the cache: it is empty."""
        self._remainder = _Medians[tuple[str, int]](_CACHED_LATEST)

    def finished(self, call: Call, event: CallFinished, now: float) -> None:
        """Learn from a call that ended well."""
        expected = self._sent.get(call.spec.call_id)
        if expected is None:
            return
        seconds = now - expected.at
        self.service.add(call.expected_seconds, seconds)
        self.output.add(call.likely_output_tokens, event.output_tokens)
        decoding = event.total_seconds - event.ttft_seconds
        self._beyond.learn(seconds - decoding - expected.first_token, call.stage, "")
        if event.output_tokens > 1 and decoding > 0:
            # Per token: that another length was expected is not the runtime's fault.
            rate = decoding / (event.output_tokens - 1)
            self._decode.learn(rate / max(1e-9, expected.per_token), call.stage, "")

    def forget(self, call_id: int) -> None:
        """Forget a call that is over."""
        self._sent.pop(call_id, None)
        self._computed(call_id)

    def _computed(self, call_id: int) -> None:
        self._prompt_tokens -= sum(self._prompts.pop(call_id, ()))
