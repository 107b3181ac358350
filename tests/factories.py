"""Builders of specs, calls, views and policies, and a cluster whose runtimes do as the test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from launch.shipped import ordering_registry, placement_registry
from sched import events as ev
from sched.cache.prefix import BLOCK_TOKENS
from sched.decisions import CallSettled, Decision, Dispatch
from sched.dispatcher import Dispatcher
from sched.errors import Failure
from sched.limits import CoreLimits
from sched.policy import OrderingPolicy, Placement, PlacementPolicy, RekeyReason
from sched.predict.latency import LatencyModel
from sched.predict.speed import Chunks
from sched.request import Call, CallSpec, Workflow, WorkflowSpec
from sched.views import CallView, PlacedCallView, RuntimeView


def chain(family: int, prompt_tokens: int) -> tuple[int, ...]:
    """Return a block chain; two chains of one ``family`` share the shorter one's blocks."""
    return tuple(family * 1_000_000 + i for i in range(prompt_tokens // BLOCK_TOKENS))


def workflow_spec(workflow_id: str = "w0", **changes: Any) -> WorkflowSpec:
    """Return a workflow with 100 s of time."""
    return replace(WorkflowSpec(workflow_id=workflow_id, slo_seconds=100.0), **changes)


def call_spec(call_id: int = 1, **changes: Any) -> CallSpec:
    """Return a call of 100 prompt tokens and at most 10 output tokens."""
    spec = CallSpec(call_id=call_id, workflow_id="w0", stage="s", prompt_tokens=100, max_new_tokens=10)
    return replace(spec, **changes)


def make_call(
    sequence: int = 1,
    *,
    spec: CallSpec | None = None,
    workflow: WorkflowSpec | None = None,
    ready_at: float = 0.0,
    expected_output_tokens: float = 10.0,
    stage_deadline: float = 50.0,
) -> Call:
    """Return a call outside any dispatcher."""
    spec = spec or call_spec(sequence)
    workflow = workflow or workflow_spec(spec.workflow_id)
    owner = Workflow(workflow, ready_at, ready_at + workflow.slo_seconds, workflow.plan, ready_at)
    call = Call(spec, owner, sequence, ready_at, expected_output_tokens)
    call.stage_deadline = stage_deadline
    return call


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStub:
    """A fixed ``sched.views.LoadView``."""

    running: int = 0
    waiting: int = 0
    running_context: float = 0.0
    waiting_context: float = 0.0
    backlog: int = 0
    private: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStub:
    """A fixed ``sched.views.RuntimeView``.  ``prefill`` and ``decode`` are seconds per token, ``cached``
    the leading tokens that it holds of every prompt, ``coming`` those it will hold, ``stalled`` the share of
    time that prefills take."""

    name: str = "r0"
    outstanding_calls: int = 0
    outstanding_seconds: float = 0.0
    prefill: float = 0.001
    decode: float = 0.01
    cached: int = 0
    coming: int = 0
    stalled: float = 0.0
    lone_outstanding_seconds: float = 0.0
    new_tokens: int = 0
    load: LoadStub = LoadStub()
    chunks: Chunks | None = None
    max_total_tokens: int = 100_000
    max_running_requests: int = 64

    @property
    def latency(self) -> LatencyModel:
        """Return a model of these rates."""
        return LatencyModel(self.prefill, self.decode, self.chunks)

    def stall_share(self, now: float) -> float:
        """Return ``stalled``."""
        return self.stalled

    def expected_tokens(self, call: CallView) -> int:
        """Return the part of the prompt that is or will be cached."""
        return min(max(self.cached, self.coming), call.prompt_tokens)

    @property
    def lone_decode_seconds(self) -> float:
        """Return ``decode``."""
        return self.decode

    def cached_tokens(self, call: CallView) -> int:
        """Return the cached part of the prompt."""
        return min(self.cached, call.prompt_tokens)

    def service_seconds(self, call: CallView) -> float:
        """Return the seconds of the call, linear in its tokens."""
        uncached = call.prompt_tokens - self.cached_tokens(call)
        return uncached * self.prefill + call.expected_output_tokens * self.decode


def placed(call: Call, runtime: RuntimeStub) -> Call:
    """Return the call with what ``runtime`` predicts for it."""
    call.predicted_cached_tokens = runtime.cached_tokens(call)
    call.predicted_seconds = runtime.service_seconds(call)
    return call


class FaultyPlacement:
    """Fails for stage ``"raise"``, names no runtime for ``"unknown"``; else takes the first runtime."""

    name = "faulty"

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the first runtime, or fail."""
        if call.stage == "raise":
            raise RuntimeError("no idea")
        return Placement("nowhere" if call.stage == "unknown" else runtimes[0].name, "the first")


class StageKeyOrdering:
    """The key is the number that the stage's name spells (``"nan"`` included); else 0."""

    name = "stage_key"

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the stage as a number."""
        try:
            return float(call.stage)
        except ValueError:
            return 0.0


class DeadlineAndSiblings:
    """The nearest stage deadline first; each sibling that is still at work is worth ten seconds."""

    name = "deadline_and_siblings"
    follows = frozenset(RekeyReason)

    def key(self, call: PlacedCallView, now: float) -> float:
        """Return the stage deadline and the siblings' seconds."""
        return call.stage_deadline + 10.0 * call.siblings_left


def make_dispatcher(
    placement: str | PlacementPolicy = "least_work",
    ordering: str | OrderingPolicy = "fcfs",
    **limits: Any,
) -> Dispatcher:
    """Return a dispatcher with shipped policies by name or given ones; ``limits``: of ``CoreLimits``."""
    return Dispatcher(
        placement_registry().load(placement) if isinstance(placement, str) else placement,
        ordering_registry().load(ordering) if isinstance(ordering, str) else ordering,
        CoreLimits(**limits),
    )


class SimpleCluster:
    """Feeds a dispatcher and remembers what its runtimes were sent; the test says what they do next.

    ``sent`` holds the live attempt of each call that is on a runtime, ``log`` every event with its time
    and the decisions it led to.
    """

    def __init__(self, dispatcher: Dispatcher, runtimes: Sequence[str] = ()) -> None:
        self.dispatcher = dispatcher
        self.now = 0.0
        self.sent: dict[int, Dispatch] = {}
        self.log: list[tuple[ev.Event, float, list[Decision]]] = []
        for name in runtimes:
            self.up(name)

    def feed(self, event: ev.Event) -> list[Decision]:
        """Hand ``event`` to the dispatcher now; return its decisions."""
        decisions = self.dispatcher.handle(event, self.now)
        self.log.append((event, self.now, decisions))
        if isinstance(event, ev.CallFailed):
            failed = (event.call_id, event.attempt)
            self.sent = {i: d for i, d in self.sent.items() if (i, d.attempt) != failed}
        elif isinstance(event, ev.RuntimeLost):
            self.sent = {i: d for i, d in self.sent.items() if d.runtime != event.name}
        for decision in decisions:
            if isinstance(decision, Dispatch):
                self.sent[decision.call_id] = decision
            elif isinstance(decision, CallSettled):
                self.sent.pop(decision.call_id, None)
        return decisions

    def up(self, name: str, max_total_tokens: int = 100_000) -> list[Decision]:
        """Bring a runtime up."""
        return self.feed(ev.RuntimeUp(name, max_total_tokens, 8))

    def lose(self, name: str) -> list[Decision]:
        """Lose a runtime."""
        return self.feed(ev.RuntimeLost(name, "it died"))

    def workflow(self, workflow_id: str = "w0", **changes: Any) -> list[Decision]:
        """Begin a workflow."""
        return self.feed(ev.WorkflowArrived(workflow_spec(workflow_id, **changes)))

    def call(self, call_id: int = 1, **changes: Any) -> list[Decision]:
        """Let a call arrive."""
        return self.feed(ev.CallArrived(call_spec(call_id, **changes)))

    def cancel(self, call_id: int) -> list[Decision]:
        """Cancel a call."""
        return self.feed(ev.CallCancelled(call_id, "not needed"))

    def tick(self, seconds: float = 0.0) -> list[Decision]:
        """Let ``seconds`` pass, then tick."""
        self.now += seconds
        return self.feed(ev.Tick())

    def first_token(self, call_id: int, *, cached: int = 0) -> list[Decision]:
        """Report the first token of a sent call."""
        return self.feed(ev.FirstTokenReported(call_id, self.sent[call_id].attempt, cached))

    def finish(
        self, call_id: int, *, cached: int = 0, output: int = 8, ttft: float = 0.1, total: float = 0.2
    ) -> list[Decision]:
        """Report the end of a sent call."""
        attempt = self.sent[call_id].attempt
        return self.feed(ev.CallFinished(call_id, attempt, cached, output, ttft, total))

    def fail(self, call_id: int, *, retryable: bool = True) -> list[Decision]:
        """Report that a runtime could not finish a sent call."""
        failure = Failure("runtime_failure", "out of memory")
        return self.feed(ev.CallFailed(call_id, self.sent[call_id].attempt, failure, retryable))

    def drain(self) -> None:
        """Finish all calls, on a runtime that is brought up if there is none, and end all workflows."""
        if not self.dispatcher.runtimes:
            self.up("rescue")
        while self.sent:
            self.finish(next(iter(self.sent)))
        for workflow_id in list(self.dispatcher.book.workflows):
            self.feed(ev.WorkflowEnded(workflow_id))
