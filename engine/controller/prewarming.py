"""Carries prewarming out: keeps prefixes of prompts, and sends them to runtimes ahead of calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.controller.calls import PendingCall, RequestIds
from engine.controller.tokens import TOKEN_BYTES
from engine.controller.workers import WorkerTable
from engine.wire import messages as msg
from engine.wire.link import RouterLink
from sched import events as ev
from sched.cache.prewarm import PREWARM_ATTEMPT
from sched.order import PREWARM_PRIORITY

_LIMIT_SECONDS = 60.0


class Prewarming:
    """Keeps what the core says of the prompts of ``pending`` calls; no client's call is any of this.

    A prewarming is a request for one token, behind all others.  ``handle`` gives the core an event.
    """

    def __init__(
        self,
        link: RouterLink,
        workers: WorkerTable,
        pending: Mapping[int, PendingCall],
        rids: RequestIds,
        handle: Callable[[ev.Event], None],
    ) -> None:
        self._link = link
        self._workers = workers
        self._pending = pending
        self._rids = rids
        self._handle = handle
        self._kept: dict[int, bytes] = {}
        self.handlers: Mapping[type, Callable[[Any], None]] = {
            ev.KeepPrefix: self._keep,
            ev.DropPrefix: self._drop,
            ev.Prewarm: self._prewarm,
        }

    def _keep(self, decision: ev.KeepPrefix) -> None:
        prompt = self._pending[decision.call_id].request.prompt
        self._kept[decision.prefix] = prompt.token_ids[: decision.tokens * TOKEN_BYTES]

    def _drop(self, decision: ev.DropPrefix) -> None:
        del self._kept[decision.prefix]

    def _prewarm(self, decision: ev.Prewarm) -> None:
        worker = self._workers.get(decision.runtime)
        message = msg.Generate(
            rid=self._rids.make(decision.number, PREWARM_ATTEMPT),
            token_ids=self._kept[decision.prefix],
            sampling={"max_new_tokens": 1, "temperature": 0.0},
            key=0.0,
            sequence=decision.number,
            remaining_seconds=_LIMIT_SECONDS,
            priority=PREWARM_PRIORITY,
        )
        if worker is None or not self._link.send(worker.identity, message):
            self._handle(ev.PrewarmEnded(decision.number, done=False))
