"""Events in, decisions out: the traffic between the core, the workers and the calls in flight."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.controller.call_reports import CallReports
from engine.controller.calls import CallResult, PendingCall, RequestIds
from engine.controller.journal.journal import Journal
from engine.controller.timeline_observers import NOBODY, TimelineObserver
from engine.controller.worker_commands import WorkerCommands
from engine.controller.worker_table import WorkerTable
from engine.controller.worker_watch import WorkerWatch
from engine.controller.workflow_records import KEPT_BYTES, WorkflowRecords
from engine.wire import messages as msg
from engine.wire.link import RouterLink
from sched import events as ev
from sched.clock import Clock, monotonic
from sched.decisions import AbortCall, CallSettled, Decision, Dispatch, Joined, RekeyCall, WorkflowSettled
from sched.dispatcher import Dispatcher
from sched.errors import Failure, error_for
from sched.request import State

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverOptions:
    """``epoch`` names this controller's life.  ``tick_seconds``: period of heartbeats and time limits.
    ``call_timeout_seconds``: limit of one call, waiting included.  ``kept_bytes``: memory for workflows that
    have ended."""

    epoch: str
    tick_seconds: float = 0.5
    call_timeout_seconds: float = 600.0
    kept_bytes: int = KEPT_BYTES


class CoreDriver:
    """Owns the link, the core and the pending calls.  Use from one event loop.

    ``notify`` gets sentences for the user about runtimes that were lost and came back.
    """

    def __init__(
        self,
        link: RouterLink,
        dispatcher: Dispatcher,
        workers: WorkerTable,
        options: DriverOptions,
        clock: Clock = monotonic,
        observer: TimelineObserver = NOBODY,
        journal: Journal | None = None,
        notify: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.clock = clock
        self.workers = workers
        self.journal = journal
        self.records = WorkflowRecords(options.kept_bytes, journal)
        self.pending: dict[int, PendingCall] = {}
        self._link = link
        self.dispatcher = dispatcher
        self._options = options
        self._observer = observer
        self._rids = RequestIds(options.epoch)
        self._tasks: list[asyncio.Task[None]] = []
        self._events: deque[ev.Event] = deque()
        self._on_decision: Mapping[type, Callable[[Any], None]] = {
            Dispatch: self._dispatch,
            RekeyCall: self._rekey,
            AbortCall: self._abort,
            CallSettled: self._call_settled,
            WorkflowSettled: self._workflow_settled,
            Joined: lambda decision: None,
        }
        self.worker_commands = WorkerCommands(link, workers)
        self.watch = WorkerWatch(link, workers, dispatcher, self.handle, options.epoch, notify)
        self._on_message: Mapping[type, Callable[[bytes, Any], None]] = {
            **self.watch.handlers,
            **CallReports(self.pending, self._rids, dispatcher, self.handle, clock).handlers,
            msg.CommandReply: self.worker_commands.reply,
        }

    def start(self) -> None:
        """Begin to listen to workers; call from a running event loop."""
        self._tasks = [
            asyncio.create_task(self._receive(), name="receive"),
            asyncio.create_task(self._tick(), name="tick"),
        ]

    async def close(self) -> None:
        """Stop listening, close the link, the observer and the journal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._link.close()
        self._observer.close()
        if self.journal is not None:
            self.journal.close()

    def accept(self, call: PendingCall) -> None:
        """Take a call in; ``call.done`` will be resolved, whatever happens."""
        self.pending[call.call_id] = call
        call.record.add(call.entry)
        self.handle(ev.CallArrived(call.request.spec(call.call_id, self._options.call_timeout_seconds)))

    def handle(self, event: ev.Event) -> None:
        """Give the core an event and carry out what it decides.

        An event that comes of a decision waits until all decisions before it are carried out.  One that
        can't be carried out doesn't keep the others from it: its error is raised when all is done.
        """
        self._events.append(event)
        if len(self._events) > 1:
            return
        errors: list[Exception] = []
        while self._events:
            try:
                for decision in self.dispatcher.handle(self._events[0], self.clock()):
                    self._carry_out(decision, errors)
            except Exception as error:
                errors.append(error)
            self._events.popleft()
        if errors:
            raise errors[0]

    def _carry_out(self, decision: Decision, errors: list[Exception]) -> None:
        try:
            self._on_decision[type(decision)](decision)
        except Exception as error:
            errors.append(error)

    # --- decisions ------------------------------------------------------------------------------

    def _dispatch(self, decision: Dispatch) -> None:
        call = self.pending[decision.call_id]
        worker = self.workers.get(decision.runtime)
        entry = call.entry
        entry.state, entry.runtime, entry.attempts = State.DISPATCHED, decision.runtime, decision.attempt
        entry.waited_seconds, entry.decision = decision.record.waited_seconds, decision.record
        call.record.changed(entry)
        self._observer.call_sent(call)
        # Between its loss and the core's learning of it a runtime has no worker.
        message = call.request.message(self._rids.make(decision.call_id, decision.attempt), decision)
        sent = worker is not None and self._link.send(worker.identity, message)
        call.sent_clock = self.clock()
        if not sent:
            failure = Failure("unavailable", f"runtime {decision.runtime} could not be reached")
            self.handle(ev.CallFailed(decision.call_id, decision.attempt, failure, retryable=True))

    def _rekey(self, decision: RekeyCall) -> None:
        call = self.pending[decision.call_id]
        assert call.entry.decision is not None
        call.entry.decision = replace(call.entry.decision, key=decision.key)
        call.entry.rekeys += 1
        call.record.changed(call.entry)
        self._tell(decision, partial(msg.RekeyRequest, key=decision.key))

    def _abort(self, decision: AbortCall) -> None:
        self._tell(decision, msg.AbortRequest)

    def _tell(self, decision: RekeyCall | AbortCall, message: Callable[..., msg.WireMessage]) -> None:
        worker = self.workers.get(decision.runtime)
        if worker is not None:
            rid = self._rids.make(decision.call_id, decision.attempt)
            self._link.send(worker.identity, message(rid=rid))

    def _call_settled(self, decision: CallSettled) -> None:
        call = self.pending.pop(decision.call_id)
        entry = call.entry
        entry.state = decision.state
        entry.total_seconds = self.clock() - call.ready_clock
        if decision.failure is None:
            assert call.answer is not None
            call.done.set_result(CallResult(call.answer, entry, call.sent_clock, call.answered_clock))
        else:
            entry.error = decision.failure.message
            call.done.set_exception(error_for(decision.failure))
        call.chunks.put_nowait(None)
        call.record.changed(entry)
        self._observer.call_settled(call)

    def _workflow_settled(self, decision: WorkflowSettled) -> None:
        record = self.records.close(decision.workflow_id)
        if record is not None:
            record.settle(decision.state, decision.seconds, decision.deadline_met, decision.failure)
            self._observer.workflow_settled(record)
            self.records.keep(record)

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
        self.watch.beat()
        self.handle(ev.Tick())
        if self.journal is not None:
            self.journal.beat(self.clock())
