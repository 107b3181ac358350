"""How long a runtime takes, learned online from what it reports.

A step of ``n`` decoding calls that read ``context`` tokens of KV takes ``max(n · f + o, w + (n - 1) · d +
context · c)`` seconds: compute or memory, whichever is slower.  ``f``: a token's compute, ``w``: reading the
weights once with all overhead, ``d``: what each further call adds, ``c``: reading a token of KV, ``o``: the
overhead alone.  A prefill's attention comes on top (``sched/predict/speed.py``).

A runtime that reports its forward passes is learned from them, under any load; another from the times of
its calls, as far as these tell passes apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sched.predict.correction import blend, corrections
from sched.predict.prompt_sums import PromptSums
from sched.predict.speed import Chunks, Pass, Speed
from sched.predict.usual_seconds import UsualSeconds

_WEIGHT = 0.15
"""Weight of a new observation in the decayed mean."""
_MIN_PREFILL_SAMPLE = 32
"""Uncached tokens below which a time to first token says little about prefill speed."""
_MIN_DECODE_SAMPLE = 8
"""Decode steps below which a rate is too rough to be called the fastest; fewer steps teach as much less."""
_STEPS_PER_KV_TOKEN = 2.5e-6
"""Where learning starts for ``c``: about what an A100, A6000 or L40S needs under a 70B model, as a share of
the step of a lone call."""
_PASS_WEIGHT = 0.05
"""Weight of a forward pass: there are many, and each tells one thing."""
_PREFILL_SHARE = 0.5
"""A time to first token tells the prefill rate if so much of it is expected to be compute."""


class LatencyModel:
    """Seconds of steps, prefills and calls on one runtime; implements ``sched.views.LatencyView``.

    ``decode_seconds_per_token`` is the rate seen by a request in recent batches, so it rises with load.
    The defaults are those of a 5 M parameter model on one CPU core; they only matter until the first answers.
    """

    def __init__(
        self, prefill: float = 1 / 4000, decode: float = 1 / 80, chunks: Chunks | None = None
    ) -> None:
        self.prefill_seconds_per_token = prefill
        self.decode_seconds_per_token = decode
        self.observations = 0
        self.passes = 0
        self._attention = self._padded = self._attention_share = self._call = self._request = 0.0
        self._hidden = 1.0
        self._rate = prefill
        self._chunks = chunks or Chunks()
        self._step = decode
        self._kv = decode * _STEPS_PER_KV_TOKEN
        self._overhead = 0.0
        self._stall = 1.0
        self._fastest_decode: float | None = None
        self._usual_step, self._usual_rate = UsualSeconds(decode), UsualSeconds(prefill)

    @classmethod
    def calibrated(cls, speed: Speed, chunks: Chunks | None = None) -> LatencyModel:
        """Return a model that starts from a calibration."""
        model = cls(speed.prefill, speed.decode, chunks)
        model._fastest_decode = speed.decode
        model._overhead = speed.overhead
        model._kv = speed.kv or model._kv
        model._call, model._attention, model._padded = speed.call, speed.attention, speed.padded
        model._hidden, model._request = speed.hidden, speed.request
        return model

    @property
    def chunks(self) -> Chunks:
        """How the runtime prefills."""
        return self._chunks

    @property
    def request_seconds(self) -> float:
        """Seconds that a call spends outside forward passes."""
        return self._request

    @property
    def speed(self) -> Speed:
        """What is known by now."""
        return Speed(
            prefill=self._rate,
            decode=self._step,
            kv=self._kv,
            overhead=self._overhead,
            call=self._call,
            attention=self._attention,
            padded=self._padded,
            hidden=self._hidden,
            request=self._request,
        )

    def describe(self) -> dict[str, float]:
        """Return what is known, in seconds, and from how many passes and calls."""
        rates = {name: float(f"{value:.4g}") for name, value in asdict(self.speed).items()}
        return {**rates, "passes": self.passes, "calls": self.observations}

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
        more = (calls - 1) * self._call if calls > 1 else 0.0
        memory = self._step + more + context * self._kv
        return compute if compute > memory else memory

    def prefill_seconds(self, tokens: float, calls: float, context: float) -> float:
        """Return the seconds until ``tokens`` are prefilled, mixed with the decoding if so set."""
        steps, compute, memory = self._work(tokens, calls, context)
        longer, shorter = (compute, memory) if compute > memory else (memory, compute)
        shown = (1 - self._hidden) * shorter if self._chunks.mixed else 0.0
        return longer + shown + steps * self._overhead

    def prompts_seconds(self, prompts: PromptSums) -> float:
        """Return the seconds of one prefill of ``prompts`` with nothing beside it, attention included."""
        work = prompts.tokens * self._rate + prompts.reach * self._attention + prompts.square * self._padded
        passes = max(1.0, prompts.tokens / self._chunks.tokens)
        return max(work, passes * (self._step - self._overhead)) + passes * self._overhead

    def stall_seconds(self, tokens: float, calls: float, context: float) -> float:
        """Return the seconds by which prefilling ``tokens`` delays each decoding call.

        Mixed chunks delay by what their compute takes beyond the step that they ride on.
        """
        steps, compute, memory = self._work(tokens, calls, context)
        longer, shorter = (compute, memory) if compute > memory else (memory, compute)
        if self._chunks.mixed:
            return self._stall * (longer - memory + (1 - self._hidden) * shorter)
        return self._stall * (longer + steps * self._overhead)

    def _work(self, tokens: float, calls: float, context: float) -> tuple[float, float, float]:
        """Return the steps of a prefill, their compute and their memory seconds."""
        chunk = self._chunks.tokens
        steps = tokens / chunk if tokens > chunk else float(tokens > 0)
        weights = self._step - self._overhead
        if not self._chunks.mixed:
            return steps, tokens * self.prefill_seconds_per_token, steps * weights
        compute = (tokens + steps * calls) * self.prefill_seconds_per_token
        return steps, compute, steps * (weights + context * self._kv)

    # --- learning -------------------------------------------------------------------------------

    def observe_passes(self, passes: Sequence[Pass]) -> None:
        """Learn from forward passes that the runtime reports, the oldest first."""
        for done in passes:
            self._observe_pass(done)

    def _observe_pass(self, done: Pass) -> None:
        """Put what was expected wrongly down to its parts (see :meth:`observe_decode`)."""
        self.passes += 1
        work = [done.tokens * self._rate, done.reach * self._attention, done.square * self._padded]
        more = max(0, done.calls - 1)
        step = [self._step - self._overhead, more * self._call, done.context * self._kv]
        if done.tokens and done.calls:  # the smaller part counts as far as it shows
            shown = 1 - self._hidden
            larger = sum(work) >= sum(step)
            work = [part if larger else part * shown for part in work]
            step = [part * shown if larger else part for part in step]
        else:
            work, step = (work, [0.0] * 3) if done.tokens else ([0.0] * 3, step)
        o, f, a, p, w, d, c = corrections([self._overhead, *work, *step], done.seconds, _PASS_WEIGHT)
        weights = (self._step - self._overhead) * w
        self._overhead *= o
        self._step = weights + self._overhead
        self._rate, self._attention, self._padded = self._rate * f, self._attention * a, self._padded * p
        self._call, self._kv = self._call * d, self._kv * c
        if done.tokens:
            attention = (done.reach * self._attention + done.square * self._padded) / done.tokens
            self._attention_share += _PASS_WEIGHT * (attention - self._attention_share)
            self.prefill_seconds_per_token = self._rate + self._attention_share
        self._fastest_decode = self._step

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
        self._usual_step.learn(self._step, self.observations)
        self._usual_rate.learn(self._rate, self.observations)
        if output_tokens >= 2 and total_seconds > ttft_seconds:
            decode = (total_seconds - ttft_seconds) / (output_tokens - 1)
            self.decode_seconds_per_token = blend(self.decode_seconds_per_token, decode, _WEIGHT)
            if output_tokens >= _MIN_DECODE_SAMPLE and not self.passes:
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
        if steps < 1 or self.passes:
            return
        weight = _WEIGHT * min(1.0, steps / _MIN_DECODE_SAMPLE)
        parts = [self._step * steps, self._kv * context * steps, stall_seconds]
        step, kv, stall = corrections(parts, seconds, weight)
        self._step *= step
        self._kv *= kv
        self._stall *= stall

    def forgive(self) -> None:
        """Believe that a runtime that has become slow is as fast as it usually was: it ran nothing lately, so
        nobody knows."""
        step, rate = self._usual_step.forgiven(self._step), self._usual_rate.forgiven(self._rate)
        self._step, self._overhead = self._step * step, self._overhead * step
        self.decode_seconds_per_token *= step
        self._rate, self.prefill_seconds_per_token = self._rate * rate, self.prefill_seconds_per_token * rate

    def _learn_prefill(self, rate: float) -> None:
        if not self.passes:
            self._rate = self.prefill_seconds_per_token = blend(self.prefill_seconds_per_token, rate, _WEIGHT)
