"""What workers report of calls, on its way into the timeline and the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.controller.calls import PendingCall, RequestIds
from engine.wire import messages as msg
from sched import events as ev
from sched.clock import Clock
from sched.dispatcher import Dispatcher
from sched.errors import Failure
from sched.request import State

_RETRYABLE = frozenset({"runtime_failure", "unavailable"})


class CallReports:
    """Takes reports on ``pending`` calls; one on what is no longer live is dropped.

    ``handle`` gives the core an event.
    """

    def __init__(
        self,
        pending: Mapping[int, PendingCall],
        rids: RequestIds,
        dispatcher: Dispatcher,
        handle: Callable[[ev.Event], None],
        clock: Clock,
    ) -> None:
        self._pending = pending
        self._rids = rids
        self._dispatcher = dispatcher
        self._handle = handle
        self._clock = clock
        self.handlers: Mapping[type, Callable[[bytes, Any], None]] = {
            msg.FirstTokenReady: self._first_token,
            msg.Chunk: self._chunk,
            msg.Finished: self._finished,
            msg.Failed: self._failed,
        }

    def _attempt(self, rid: str) -> tuple[PendingCall, int] | None:
        call_id, attempt = self._rids.parse(rid) or (0, 0)
        return (self._pending[call_id], attempt) if self._dispatcher.is_live(call_id, attempt) else None

    def _first_token(self, _identity: bytes, message: msg.FirstTokenReady) -> None:
        if found := self._attempt(message.rid):
            call, attempt = found
            entry = call.entry
            entry.state, entry.cached_tokens = State.RUNNING, message.cached_tokens
            entry.ttft_seconds = self._clock() - call.ready_clock
            call.record.changed(entry)
            self._handle(ev.FirstTokenReported(call.call_id, attempt, message.cached_tokens))

    def _chunk(self, _identity: bytes, message: msg.Chunk) -> None:
        if found := self._attempt(message.rid):
            found[0].chunks.put_nowait(message)

    def _finished(self, _identity: bytes, message: msg.Finished) -> None:
        if found := self._attempt(message.rid):
            call, attempt = found
            call.answer, call.answered_clock = message, self._clock()
            entry = call.entry
            entry.cached_tokens, entry.output_tokens = message.cached_tokens, message.output_tokens
            entry.finish_reason = str(message.finish_reason.get("type", "stop"))
            self._handle(
                ev.CallFinished(
                    call_id=call.call_id,
                    attempt=attempt,
                    cached_tokens=message.cached_tokens,
                    output_tokens=message.output_tokens,
                    ttft_seconds=message.ttft_seconds,
                    total_seconds=message.total_seconds,
                    output_blocks=call.request.prompt.blocks_of_output(message.token_ids),
                )
            )

    def _failed(self, _identity: bytes, message: msg.Failed) -> None:
        if found := self._attempt(message.rid):
            call, attempt = found
            failure = Failure(message.code, message.message)
            retryable = message.code in _RETRYABLE
            self._handle(ev.CallFailed(call.call_id, attempt, failure, retryable))
