"""How long a runtime takes, learned online from what it reports.

A step of ``n`` decoding calls that read ``context`` tokens of KV takes ``max(n · f + o, w + context · c)``
seconds: compute or memory, whichever is slower.  ``f``: a token's compute, ``w``: reading the weights once
with all overhead, ``c``: reading a token of KV, ``o``: the overhead alone.
"""

from __future__ import annotations

from dataclasses import dataclass

_WEIGHT = 0.15
"""Weight of a new observation in the decayed mean."""
_CLIP = 4.0
"""An observation counts as at most this many times (or this fraction of) the present estimate, so that
one stall doesn't spoil it; a lasting change still gets through in a few steps."""
_MIN_PREFILL_SAMPLE = 32
"""Uncached tokens below which a time to first token says little about prefill speed."""
_MIN_DECODE_SAMPLE = 8
"""Output tokens below which a decode rate is too rough to be called the fastest."""
_STEPS_PER_KV_TOKEN = 2.5e-6
"""Where learning starts for ``c``: about what an A100, A6000 or L40S needs under a 70B model, as a share of
the step of a lone call."""
_PREFILL_SHARE = 0.5
"""A time to first token tells the prefill rate if so much of it is expected to be compute."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What is known of a runtime before its first answers: seconds per prefilled token, per decode step of a
    lone short call, per token of KV read in a step (0: unknown), and of overhead in a step."""

    prefill: float
    decode: float
    kv: float = 0.0
    overhead: float = 0.0


@dataclass(frozen=True, slots=True)
class Chunks:
    """SGLang's ``chunked_prefill_size`` and ``enable_mixed_chunk`` (defaults: its own on most cards)."""

    tokens: int = 8192
    mixed: bool = False


class LatencyModel:
    """Seconds of steps, prefills and calls on one runtime; implements ``sched.views.LatencyView``.

    ``decode_seconds_per_token`` is the rate seen by a request in the batches of late, so it rises with load.
    The defaults are those of a 5 M parameter model on one CPU core; they only matter until the first answers.
    """

    def __init__(
        self, prefill: float = 1 / 4000, decode: float = 1 / 80, chunks: Chunks | None = None
    ) -> None:
        self.prefill_seconds_per_token = prefill
        self.decode_seconds_per_token = decode
        self.observations = 0
        self._chunks = chunks or Chunks()
        self._step = decode
        self._kv = decode * _STEPS_PER_KV_TOKEN
        self._overhead = 0.0
        self._stall = 1.0
        self._fastest_decode: float | None = None

    @classmethod
    def calibrated(cls, speed: Speed, chunks: Chunks | None = None) -> LatencyModel:
        """Return a model that starts from a calibration."""
        model = cls(speed.prefill, speed.decode, chunks)
        model._fastest_decode = speed.decode
        model._overhead = speed.overhead
        model._kv = speed.kv or model._kv
        return model

    # --- predictions ----------------------------------------------------------------------------

    @property
    def lone_decode_seconds_per_token(self) -> float:
        """Seconds per output token in a batch of one: as calibrated, or the least seen."""
        return self._fastest_decode or self.decode_seconds_per_token

    def service_seconds(self, uncached_tokens: float, output_tokens: float) -> float:
        """Return the predicted seconds from start to end of a call, waiting not included."""
        return (
            uncached_tokens * self.prefill_seconds_per_token + output_tokens * self.decode_seconds_per_token
        )

    def lone_seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return the seconds of a call alone, nothing cached."""
        return (
            prompt_tokens * self.prefill_seconds_per_token
            + output_tokens * self.lone_decode_seconds_per_token
        )

    def step_seconds(self, calls: float, context: float) -> float:
        """Return the seconds of a step in which ``calls`` decode and read ``context`` tokens of KV."""
        compute = calls * self.prefill_seconds_per_token + self._overhead
        return max(compute, self._step + context * self._kv)

    def prefill_seconds(self, tokens: float, calls: float, context: float) -> float:
        """Return the seconds until ``tokens`` are prefilled, mixed with the decoding if so set."""
        steps, compute, memory = self._work(tokens, calls, context)
        return max(compute, memory) + steps * self._overhead

    def stall_seconds(self, tokens: float, calls: float, context: float) -> float:
        """Return the seconds by which prefilling ``tokens`` delays each decoding call.

        Mixed chunks delay by what their compute takes beyond the step that they ride on.
        """
        steps, compute, memory = self._work(tokens, calls, context)
        if self._chunks.mixed:
            return self._stall * max(0.0, compute - memory)
        return self._stall * (max(compute, memory) + steps * self._overhead)

    def _work(self, tokens: float, calls: float, context: float) -> tuple[float, float, float]:
        """Return the steps of a prefill, their compute and their memory seconds."""
        steps = max(1.0, tokens / self._chunks.tokens) if tokens > 0 else 0.0
        weights = self._step - self._overhead
        if not self._chunks.mixed:
            return steps, tokens * self.prefill_seconds_per_token, steps * weights
        compute = (tokens + steps * calls) * self.prefill_seconds_per_token
        return steps, compute, steps * (weights + context * self._kv)

    # --- learning -------------------------------------------------------------------------------

    def observe(
        self,
        uncached_tokens: int,
        output_tokens: int,
        ttft_seconds: float,
        total_seconds: float,
        *,
        alone: bool,
    ) -> None:
        """Learn from a finished call.

        ``alone`` says that nothing else was on the runtime when the call was sent: only then is its
        time to first token the prefill, and not also a wait.
        """
        self.observations += 1
        if output_tokens >= 2 and total_seconds > ttft_seconds:
            decode = (total_seconds - ttft_seconds) / (output_tokens - 1)
            self.decode_seconds_per_token = _blend(self.decode_seconds_per_token, decode)
            if output_tokens >= _MIN_DECODE_SAMPLE:
                self._fastest_decode = min(decode, self._fastest_decode or decode)
        if alone and uncached_tokens >= _MIN_PREFILL_SAMPLE and ttft_seconds > 0:
            self._learn_prefill(ttft_seconds / uncached_tokens)

    def observe_prefill(self, tokens: int, seconds: float, calls: int, context: float) -> None:
        """Learn from a time to first token beside ``calls`` that decoded, no other prompt being in prefill.

        The prefill began with the next step, half a step later on average.
        """
        expected = self.prefill_seconds(tokens, calls, context) + self.step_seconds(calls, context) / 2
        compute = tokens * self.prefill_seconds_per_token
        if tokens >= _MIN_PREFILL_SAMPLE and seconds > 0 and compute >= _PREFILL_SHARE * expected:
            self._learn_prefill(self.prefill_seconds_per_token + (seconds - expected) / tokens)

    def observe_decode(self, steps: int, seconds: float, context: float, stall_seconds: float) -> None:
        """Learn from ``steps`` decode steps that took ``seconds`` at a mean ``context``.

        ``stall_seconds``: what :meth:`stall_seconds` said of the prefills meanwhile.  What was expected
        wrongly is put down to steps, KV and stalls in proportion to the square of their parts in it: the
        least change that would have been right.
        """
        parts = self._step * steps, self._kv * context * steps, stall_seconds
        expected, squares = sum(parts), sum(part * part for part in parts)
        if steps < _MIN_DECODE_SAMPLE or squares <= 0:
            return
        seconds = min(max(seconds, expected / _CLIP), expected * _CLIP)
        per_second = _WEIGHT * (seconds - expected) / squares
        step, kv, stall = (1 + max(-_WEIGHT, min(_WEIGHT, per_second * part)) for part in parts)
        self._step *= step
        self._kv *= kv
        self._stall *= stall

    def _learn_prefill(self, rate: float) -> None:
        self.prefill_seconds_per_token = _blend(self.prefill_seconds_per_token, rate)


def _blend(old: float, new: float) -> float:
    clipped = min(max(new, old / _CLIP), old * _CLIP)
    return old + _WEIGHT * (clipped - old)
