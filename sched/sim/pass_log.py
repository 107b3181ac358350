"""The forward passes of a simulated runtime, as a real one reports them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sched.predict.speed import Pass
from sched.sim.running_batch import SimRequest

LATEST = 16
"""Passes kept between two reports."""


class PassLog:
    """The latest passes; a run of decode steps counts as one of its mean length."""

    def __init__(self) -> None:
        self._passes: deque[Pass] = deque(maxlen=LATEST)

    def note(
        self,
        batch: Sequence[tuple[SimRequest, int]],
        calls: int,
        kv_tokens: int,
        steps: int,
        seconds: float,
    ) -> None:
        """Note an iteration that prefilled ``batch``, or ``steps`` of ``calls`` decoding.

        ``kv_tokens``: KV of these calls at its end.
        """
        steps = max(1, steps)
        new = [(tokens, request.computed) for request, tokens in batch]
        self._passes.append(
            Pass(
                requests=len(new),
                tokens=sum(u for u, _ in new),
                reach=sum(u * (p + u / 2) for u, p in new),
                square=float(sum((u + p) ** 2 for u, p in new)),
                calls=calls,
                context=kv_tokens - calls * (steps + 1) // 2,
                seconds=seconds / steps,
            )
        )

    def take(self) -> list[Pass]:
        """Return what came since the last time, the oldest first."""
        passes = list(self._passes)
        self._passes.clear()
        return passes
