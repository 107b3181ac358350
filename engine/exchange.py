"""Events in, decisions out: the traffic between the core, the workers and the calls in flight."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine import messages as msg
from engine.calls import CallResult, PendingCall, RequestIds
from engine.link import RouterLink
from engine.timeline import WorkflowRecords
from engine.workers import WorkerTable
from sched import events as ev
from sched.clock import Clock, monotonic
from sched.dispatcher import Dispatcher
from sched.errors import Failure, error_for
from sched.request import State

logger = logging.getLogger(__name__)

_RETRYABLE = frozenset({"runtime_failure", "unavailable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """``epoch`` names this controller's life.  ``tick_seconds``: period of heartbeats and time limits.
    ``call_timeout_seconds``: limit of one call, waiting included."""

    epoch: str
    tick_seconds: float = 0.5
    call_timeout_seconds: float = 600.0


class Exchange:
    """Owns the link, the core and the pending calls.  Use from one event loop.

    ``complete`` is set when every expected worker has been welcomed for the first time.
    """

    def __init__(
        self,
        link: RouterLink,
        dispatcher: Dispatcher,
        workers: WorkerTable,
        options: ExchangeOptions,
        clock: Clock = monotonic,
    ) -> None:
        self.clock = clock
        self.workers = workers
        self.records = WorkflowRecords()
        self.pending: dict[int, PendingCall] = {}
        self.complete = asyncio.Event()
        self._link = link
        self._dispatcher = dispatcher
        self._options = options
        self._rids = RequestIds(options.epoch)
        self._tasks: list[asyncio.Task[None]] = []
        self._on_decision: Mapping[type, Callable[[Any], None]] = {
            ev.Dispatch: self._dispatch,
            ev.Abort: self._abort,
            ev.CallSettled: self._call_settled,
            ev.WorkflowSettled: self._workflow_settled,
            ev.Joined: lambda decision: None,
        }
        self._on_message: Mapping[type, Callable[[bytes, Any], None]] = {
            msg.Hello: self._hello,
            msg.Heartbeat: lambda identity, m: self.workers.heard(m, self.clock()),
            msg.FirstToken: self._first_token,
            msg.Chunk: self._chunk,
            msg.Finished: self._finished,
            msg.Failed: self._failed,
        }

    def start(self) -> None:
        """Begin to listen to workers; call from a running event loop."""
        self._tasks = [
            asyncio.create_task(self._receive(), name="receive"),
            asyncio.create_task(self._tick(), name="tick"),
        ]

    async def close(self) -> None:
        """Stop listening and close the link."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._link.close()

    def accept(self, call: PendingCall) -> None:
        """Take a call in; ``call.done`` will be resolved, whatever happens."""
        self.pending[call.call_id] = call
        call.record.add(call.entry)
        self.handle(ev.CallArrived(call.request.spec(call.call_id, self._options.call_timeout_seconds)))

    def handle(self, event: ev.Event) -> None:
        """Give the core an event and carry out what it decides."""
        for decision in self._dispatcher.handle(event, self.clock()):
            self._on_decision[type(decision)](decision)

    # --- decisions ------------------------------------------------------------------------------

    def _dispatch(self, decision: ev.Dispatch) -> None:
        call = self.pending[decision.call_id]
        worker = self.workers.get(decision.runtime)
        assert worker is not None
        entry = call.entry
        entry.state, entry.runtime, entry.attempts = State.DISPATCHED, decision.runtime, decision.attempt
        entry.waited_seconds, entry.decision = decision.record.waited_seconds, decision.record
        call.record.changed(entry)
        sent = self._link.send(worker.identity, self._generate_message(call, decision))
        if not sent:
            failure = Failure("unavailable", f"runtime {decision.runtime} could not be reached")
            self.handle(ev.CallFailed(decision.call_id, decision.attempt, failure, retryable=True))

    def _generate_message(self, call: PendingCall, decision: ev.Dispatch) -> msg.Generate:
        request = call.request
        return msg.Generate(
            rid=self._rids.make(decision.call_id, decision.attempt),
            token_ids=request.prompt.token_ids,
            sampling=dict(request.sampling) | {"max_new_tokens": request.max_new_tokens},
            key=decision.key,
            sequence=decision.sequence,
            remaining_seconds=decision.remaining_seconds,
            stream=request.stream,
        )

    def _abort(self, decision: ev.Abort) -> None:
        worker = self.workers.get(decision.runtime)
        if worker is not None:
            rid = self._rids.make(decision.call_id, decision.attempt)
            self._link.send(worker.identity, msg.Abort(rid=rid))

    def _call_settled(self, decision: ev.CallSettled) -> None:
        call = self.pending.pop(decision.call_id)
        entry = call.entry
        entry.state = decision.state
        entry.total_seconds = self.clock() - call.ready_clock
        if decision.failure is None:
            assert call.answer is not None
            call.done.set_result(CallResult(call.answer, entry))
        else:
            entry.error = decision.failure.message
            call.done.set_exception(error_for(decision.failure))
        call.chunks.put_nowait(None)
        call.record.changed(entry)

    def _workflow_settled(self, decision: ev.WorkflowSettled) -> None:
        record = self.records.close(decision.workflow_id)
        if record is not None:
            record.settle(decision.state, decision.seconds, decision.deadline_met, decision.failure)

    # --- messages -------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:  # ends with close(); a link without traffic is no fault
            identity, message = await self._link.recv()
            handler = self._on_message.get(type(message))
            if handler is None:
                logger.warning("dropped a %s message: it goes the other way", message.kind)
                continue
            try:
                handler(identity, message)
            except Exception:
                logger.exception("a %s message could not be handled", message.kind)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._options.tick_seconds)
            try:
                self._beat()
            except Exception:
                logger.exception("a heartbeat failed")

    def _beat(self) -> None:
        for identity in self.workers.identities():
            self._link.send(identity, msg.Ping(epoch=self._options.epoch))
        for name in self.workers.lost(self.clock()):
            logger.error("runtime %s was lost: no heartbeat", name)
            self.handle(ev.RuntimeLost(name, "no heartbeat"))
        self.handle(ev.Tick())

    def _hello(self, identity: bytes, hello: msg.Hello) -> None:
        refusal = self.workers.refusal(hello)
        if refusal is not None:
            logger.error("runtime %s is refused: %s", hello.runtime, refusal)
            self._link.send(identity, msg.Shutdown(grace_seconds=0.0))
            return
        if self.workers.welcome(identity, hello, self.clock()):
            self.handle(ev.RuntimeLost(hello.runtime, "its worker was replaced"))
            self.handle(ev.RuntimeUp(hello.runtime, hello.max_total_tokens, hello.max_running_requests))
            logger.info("runtime %s is up (pid %d)", hello.runtime, hello.pid)
            if len(self.workers) == len(self.workers.expected):
                self.complete.set()
        self._link.send(identity, msg.Welcome(epoch=self._options.epoch))

    def _attempt(self, rid: str) -> tuple[PendingCall, int] | None:
        parsed = self._rids.parse(rid)
        call = self.pending.get(parsed[0]) if parsed else None
        current = call is not None and parsed is not None and call.entry.attempts == parsed[1]
        return (call, parsed[1]) if current and call is not None and parsed is not None else None

    def _first_token(self, _identity: bytes, message: msg.FirstToken) -> None:
        if found := self._attempt(message.rid):
            call, attempt = found
            entry = call.entry
            entry.state, entry.cached_tokens = State.RUNNING, message.cached_tokens
            entry.ttft_seconds = self.clock() - call.ready_clock
            call.record.changed(entry)
            self.handle(ev.FirstToken(call.call_id, attempt, message.cached_tokens))

    def _chunk(self, _identity: bytes, message: msg.Chunk) -> None:
        if found := self._attempt(message.rid):
            found[0].chunks.put_nowait(message)

    def _finished(self, _identity: bytes, message: msg.Finished) -> None:
        if found := self._attempt(message.rid):
            call, attempt = found
            call.answer = message
            entry = call.entry
            entry.cached_tokens, entry.output_tokens = message.cached_tokens, message.output_tokens
            entry.finish_reason = str(message.finish_reason.get("type", "stop"))
            self.handle(
                ev.CallFinished(
                    call_id=call.call_id,
                    attempt=attempt,
                    cached_tokens=message.cached_tokens,
                    output_tokens=message.output_tokens,
                    ttft_seconds=message.ttft_seconds,
                    total_seconds=message.total_seconds,
                )
            )

    def _failed(self, _identity: bytes, message: msg.Failed) -> None:
        if found := self._attempt(message.rid):
            call, attempt = found
            failure = Failure(message.code, message.message)
            retryable = message.code in _RETRYABLE
            self.handle(ev.CallFailed(call.call_id, attempt, failure, retryable))
