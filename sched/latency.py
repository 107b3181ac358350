"""A runtime's service time, learned online from what it reports."""

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


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds per prefilled and per decoded token: what is known of a runtime before its first answers."""

    prefill: float
    decode: float


class LatencyModel:
    """``seconds = uncached · prefill + output · decode``, both rates learned as decayed means.

    Rates are seconds per token; the decode rate is the one seen by a request in the batches of late,
    so it rises with load.  The defaults are those of a 5 M parameter model on one CPU core; they only
    matter until the first answers.
    """

    def __init__(self, prefill: float = 1 / 4000, decode: float = 1 / 80) -> None:
        self.prefill_seconds_per_token = prefill
        self.decode_seconds_per_token = decode
        self.observations = 0
        self._fastest_decode: float | None = None

    @classmethod
    def calibrated(cls, speed: Speed) -> LatencyModel:
        """Return a model that starts from a calibration."""
        model = cls(speed.prefill, speed.decode)
        model._fastest_decode = speed.decode
        return model

    @property
    def lone_decode_seconds_per_token(self) -> float:
        """Seconds per output token in a batch of one: as calibrated, or the least seen."""
        return self._fastest_decode or self.decode_seconds_per_token

    def service_seconds(self, uncached_tokens: float, output_tokens: float) -> float:
        """Return the predicted seconds from start to end of a call, waiting not included."""
        return (
            uncached_tokens * self.prefill_seconds_per_token + output_tokens * self.decode_seconds_per_token
        )

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
            self.prefill_seconds_per_token = _blend(
                self.prefill_seconds_per_token, ttft_seconds / uncached_tokens
            )


def _blend(old: float, new: float) -> float:
    clipped = min(max(new, old / _CLIP), old * _CLIP)
    return old + _WEIGHT * (clipped - old)
