"""How long SGLang's forward passes take, as seen from its scheduler process.  Knows SGLang's batches."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.sglang.pass_ring import PassWriter
from sched.predict.speed import Pass

logger = logging.getLogger(__name__)


class PassWatch:
    """Times passes from the start of one to the start of the next, what comes between included.

    A pass with which the scheduler then fell idle is timed to its own end.  With overlap scheduling a pass
    may be launched while the one before still runs: then it counts from the end of that one, as the scheduler
    saw it, and one with which the scheduler fell idle can't be timed.  What a version of SGLang doesn't tell
    ends the watch, logged, and nothing else.
    """

    def __init__(self, writer: PassWriter, clock: Callable[[], float] = time.perf_counter) -> None:
        self._writer = writer
        self._clock = clock
        self._launched: deque[tuple[Pass, float, float]] = deque()
        self._finished = 0.0
        self._broken = False

    def starts(self, scheduler: Any) -> None:
        """Note that the scheduler is about to launch a pass."""
        self._try(self._starts, scheduler)

    def ended(self, scheduler: Any, batch: Any, began: float) -> None:
        """Note a pass that was launched at ``began`` (of this clock)."""
        self._try(self._ended, scheduler, batch, began)

    def now(self) -> float:
        """Return the clock's time."""
        return self._clock()

    def _try(self, action: Callable[..., None], *args: Any) -> None:
        try:
            if not self._broken:
                action(*args)
        except (AttributeError, TypeError, ValueError):
            logger.exception("SGLang's forward passes can't be timed; speeds are learned from calls alone")
            self._broken = True

    def _starts(self, scheduler: Any) -> None:
        now, overlap = self._clock(), bool(scheduler.enable_overlap)
        if scheduler.last_batch is None:  # it had nothing to do since
            for done, began, ended in () if overlap else self._launched:
                self._writer.note(done._replace(seconds=ended - began))
            self._launched.clear()
        unfinished = len(scheduler.result_queue) if overlap else 0
        while len(self._launched) > unfinished:
            done, began, _ = self._launched.popleft()
            self._writer.note(done._replace(seconds=now - max(began, self._finished)))
            self._finished = now

    def _ended(self, scheduler: Any, batch: Any, began: float) -> None:
        if getattr(scheduler, "tp_rank", 0) == 0:
            self._launched.append((described(batch), began, self._clock()))


def described(batch: Any) -> Pass:
    """Return what a batch of SGLang's asks of a pass; its ``seconds`` are yet 0."""
    requests = batch.reqs
    if batch.forward_mode.is_decode():
        context = sum(len(r.origin_input_ids) + len(r.output_ids) for r in requests)
        return Pass(0, 0, 0.0, 0.0, len(requests), context, 0.0)
    lengths, cached = batch.extend_lens, batch.prefix_lens
    decoding = len(getattr(batch, "decoding_reqs", None) or ())
    new = list(zip(lengths, cached, strict=True))[: len(lengths) - decoding]
    return Pass(
        requests=len(new),
        tokens=sum(u for u, _ in new),
        reach=sum(u * (p + u / 2) for u, p in new),
        square=float(sum((u + p) ** 2 for u, p in new)),
        calls=decoding,
        context=sum(p + 1 for p in cached[len(new) :]),
        seconds=0.0,
    )
