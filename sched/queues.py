"""Where calls wait: without a runtime, held for one, or in its own queue."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from sched.decisions import Decision, Dispatch, RekeyCall
from sched.errors import Failure
from sched.events import CacheFlushed, CacheReported, PassesReported
from sched.placer import Placer
from sched.policy import RekeyReason
from sched.request import Call, State, Workflow, advance
from sched.runtime import RuntimeState
from sched.workflow import PromptSeconds

Fail = Callable[[Call, Failure, float], None]
"""Ends a call, wherever it is, because of a failure at a time."""
Late = Callable[[Workflow, float], bool]
"""Ends a workflow that has no time left for the calls it would send; returns whether it was one."""


class Queues:
    """Places calls, gives them their keys anew when these change, and sends them while a window has room.

    Decisions are appended to ``out``.  ``fail`` is called for a call on which a policy failed: its fault
    costs that call, never the decisions on others.  ``late`` is asked before a call is sent.
    """

    def __init__(self, placer: Placer, out: Callable[[Decision], None], fail: Fail, late: Late) -> None:
        self.runtimes: dict[str, RuntimeState] = {}
        self._placer = placer
        self._out = out
        self._fail = fail
        self._late = late
        self._unplaced: dict[int, Call] = {}
        self._changed: dict[Workflow, None] = {}

    @property
    def waiting_calls(self) -> int:
        """Calls not sent to a runtime."""
        return len(self._unplaced) + sum(r.held_calls for r in self.runtimes.values())

    def open(self, runtime: RuntimeState, now: float) -> None:
        """Add a runtime; calls that waited for one are placed."""
        self.runtimes[runtime.name] = runtime
        waiting, self._unplaced = self._unplaced, {}
        for call in waiting.values():
            self.place(call, now)

    def prompt_seconds(
        self, blocks: Sequence[int], prompt_tokens: int, shared_tokens: int, output_tokens: float
    ) -> PromptSeconds:
        """Return what a prompt costs where it costs least (``Dispatcher.prompt_seconds``)."""
        tokens = prompt_tokens, shared_tokens, output_tokens
        costs = [runtime.prompt_seconds(blocks, *tokens) for runtime in self.runtimes.values()]
        return PromptSeconds(
            min((cost.now for cost in costs), default=math.inf),
            min((cost.warm for cost in costs), default=math.inf),
        )

    def close(self, name: str) -> RuntimeState | None:
        """Take a runtime away and return it; its calls are the caller's to place again or end."""
        return self.runtimes.pop(name, None)

    def cache_reported(self, event: CacheFlushed | CacheReported, _now: float) -> None:
        """Note what a runtime says of its prefix cache."""
        if event.name in self.runtimes:
            self.runtimes[event.name].cache_reported(event)

    def passes_reported(self, event: PassesReported, _now: float) -> None:
        """Learn from a runtime's forward passes."""
        if event.name in self.runtimes:
            self.runtimes[event.name].latency.observe_passes(event.passes)

    def place(self, call: Call, now: float) -> None:
        """Have a waiting call held for a runtime, one that hasn't failed it if there is such a one."""
        everywhere = list(self.runtimes.values())
        if not everywhere:
            call.runtime = None
            self._unplaced[call.spec.call_id] = call
            return
        for runtime in everywhere:
            runtime.cache.pass_time(now)
        fresh = [r for r in everywhere if r.name not in call.avoid]
        try:
            runtime = self._placer.place(call, fresh or everywhere, now)
        except Exception as error:
            self._fail(call, _policy_failure(error), now)
        else:
            runtime.hold(call)

    def forget(self, call: Call) -> None:
        """Forget a call that ends."""
        self._unplaced.pop(call.spec.call_id, None)

    def deadline_changed(self, workflow: Workflow) -> None:
        """Note that the keys of the workflow's calls may be other ones, before the next is sent."""
        self._changed[workflow] = None

    def siblings_changed(self, workflow: Workflow) -> None:
        """Note that a branch ended, which some policies look at."""
        if RekeyReason.SIBLINGS in self._placer.follows:
            self._changed[workflow] = None

    def pump(self, calls: dict[int, Call], now: float) -> None:
        """Re-key what changed among the open ``calls``, then send what the windows have room for.

        A workflow that ends here, late, makes room: then all is looked at again.
        """
        ended = 0

        def late(call: Call) -> bool:
            nonlocal ended
            is_late = self._late(call.workflow, now)
            ended += is_late
            return is_late

        before = -1
        while before != ended:
            before = ended
            while self._changed:
                workflow, _ = self._changed.popitem()
                for call_id in sorted(workflow.open_calls):
                    self._rekey(calls[call_id], now)
            for runtime in self.runtimes.values():
                for call in runtime.take_sendable(now, late) if runtime.held_calls else ():
                    self._out(self._dispatch(call, now))

    def _rekey(self, call: Call, now: float) -> None:
        if call.runtime is None or call.state not in (State.WAITING, State.DISPATCHED):
            return
        try:
            moved = self._placer.rekey(call)
        except Exception as error:
            self._fail(call, _policy_failure(error), now)
            return
        if moved and call.state is State.WAITING:
            self.runtimes[call.runtime].reorder(call)
        elif moved:
            self._out(RekeyCall(call.spec.call_id, call.attempt, call.runtime, call.key))

    def _dispatch(self, call: Call, now: float) -> Dispatch:
        assert call.runtime is not None
        call.attempt += 1
        advance(call, State.DISPATCHED, now)
        return Dispatch(
            call_id=call.spec.call_id,
            attempt=call.attempt,
            runtime=call.runtime,
            key=call.key,
            sequence=call.sequence,
            remaining_seconds=max(0.0, call.ready_at + call.spec.timeout_seconds - now),
            record=self._placer.record(call, now),
            priority=call.spec.priority,
        )


def _policy_failure(error: Exception) -> Failure:
    return Failure("internal_error", f"the placement or ordering policy failed: {error!r}")
