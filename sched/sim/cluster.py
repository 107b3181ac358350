"""The simulated runtimes of a run, on the agenda and in the dispatcher's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sched import events as ev
from sched.errors import Failure
from sched.predict.speed import Chunks
from sched.sim.agenda import Agenda, Turn
from sched.sim.batching import SimRuntimeConfig
from sched.sim.engine_model import EngineModel
from sched.sim.figures import RuntimeRecord
from sched.sim.hardware import Gpu
from sched.sim.running_batch import SimRequest

_REPORT_SECONDS = 1.0
"""A worker's heartbeat."""


@dataclass(slots=True, eq=False)
class _Slot:
    """A runtime and its next event; an event of another version is out of date."""

    name: str
    engine: EngineModel
    due: float | None = None
    version: int = 0
    reported: float = 0.0


class SimCluster:
    """Runtimes that take requests and report to ``feed``."""

    def __init__(
        self, gpus: Sequence[Gpu], config: SimRuntimeConfig, agenda: Agenda, feed: Callable[[ev.Event], None]
    ) -> None:
        self._agenda = agenda
        self._feed = feed
        self._slots = {
            name: _Slot(name, EngineModel(gpu, config.batching(gpu)))
            for name, gpu in ((f"{gpu.name}-{i}", gpu) for i, gpu in enumerate(gpus))
        }

    @property
    def longest_chunk(self) -> int:
        """Most tokens that a runtime prefills in one iteration."""
        return max(s.engine.batching.chunked_prefill_size for s in self._slots.values())

    def announce(self, *, calibrated: bool) -> None:
        """Report every runtime ready, ``calibrated`` with its speed."""
        for name, slot in self._slots.items():
            gpu, batching = slot.engine.gpu, slot.engine.batching
            self._feed(
                ev.RuntimeUp(
                    name,
                    batching.max_total_tokens,
                    batching.max_running_requests,
                    gpu.speed if calibrated else None,
                    Chunks(batching.chunked_prefill_size, batching.enable_mixed_chunk),
                )
            )

    def submit(self, runtime: str, request: SimRequest) -> None:
        """Hand a request to a runtime."""
        slot = self._slots[runtime]
        slot.engine.submit(request, self._agenda.now)
        self._schedule(slot)

    def abort(self, runtime: str, call_id: int, attempt: int) -> None:
        """Abort a request on a runtime."""
        slot = self._slots[runtime]
        slot.engine.abort(call_id, attempt, self._agenda.now)
        self._schedule(slot)

    def records(self) -> list[RuntimeRecord]:
        """Return what the runtimes did so far."""
        return [
            RuntimeRecord(name=name, busy_seconds=s.engine.busy_seconds, retractions=s.engine.retractions)
            for name, s in self._slots.items()
        ]

    def _schedule(self, slot: _Slot) -> None:
        """Have the runtime's next event on the agenda: the end of its work, or its beginning."""
        end = slot.engine.end
        due = self._agenda.now if end is None else end
        if slot.due != due:
            slot.due = due
            slot.version += 1
            turn = Turn.WAKE if end is None else Turn.REPORT
            self._agenda.at(due, turn, partial(self._advance, slot, slot.version))

    def _advance(self, slot: _Slot, version: int) -> None:
        if version != slot.version:
            return
        slot.due = None
        engine, now = slot.engine, self._agenda.now
        if engine.end is not None:
            progress = engine.complete(now)
            for request in progress.first:
                self._feed(ev.FirstTokenReported(request.call_id, request.attempt, request.cached_tokens))
            for request in progress.finished:
                self._feed(_finished(request, now))
            if now >= slot.reported + _REPORT_SECONDS:
                slot.reported = now
                self._feed(ev.PassesReported(slot.name, engine.passes.take()))
        for request in engine.plan(now):
            failure = Failure("runtime_failure", "the call doesn't fit the runtime's KV cache")
            self._feed(ev.CallFailed(request.call_id, request.attempt, failure, retryable=False))
        if engine.end is not None:
            self._schedule(slot)


def _finished(request: SimRequest, now: float) -> ev.CallFinished:
    assert request.first_token_at is not None
    return ev.CallFinished(
        request.call_id,
        request.attempt,
        request.cached_tokens,
        request.output_tokens,
        request.first_token_at - request.received_at,
        now - request.received_at,
    )
