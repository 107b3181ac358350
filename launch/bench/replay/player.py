"""Plays workflows against a server in real time, open loop: each begins at its scheduled arrival.

Latencies count from the schedule, not from when the client got round to sending (no coordinated omission).
Within a workflow a call is sent when those it follows have ended and their SQL time has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from launch.bench.replay.endpoint import CallError, Endpoint
from launch.bench.replay.outcome import CallOutcome, WorkflowOutcome
from launch.bench.replay.token_prompts import token_ids
from sched.sim.bounds import base_seconds
from sched.traces.replay import WorkflowReplay
from sched.traces.trace_format import TraceCall, TraceWorkflow

_LEAD_SECONDS = 0.2
"""From the call of :func:`play` to the run's begin."""


class PlayedItem(NamedTuple):
    """A workflow to play, its expected seconds alone and its deadline in seconds from arrival."""

    workflow: TraceWorkflow
    base_seconds: float
    slo_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call and a whole workflow may take, in seconds; what takes longer has failed."""

    call_seconds: float = 300.0
    workflow_seconds: float = 600.0


class _FailedError(Exception):
    """Ends a workflow; the message is the reason."""


@dataclass(slots=True, eq=False)
class _PlayedWorkflow:
    item: PlayedItem
    replay: WorkflowReplay
    prompts: dict[int, NDArray[np.int64]]
    unsent: int
    calls: list[CallOutcome] = field(default_factory=list)


def priced(
    workflows: Sequence[TraceWorkflow], stages: dict[str, float], slo_scale: float
) -> list[PlayedItem]:
    """Return ``workflows`` with their expected times alone and deadlines; ``stages``: seconds per stage."""
    bases = ((workflow, base_seconds(workflow, stages)) for workflow in workflows)
    return [PlayedItem(workflow, base, workflow.slo_seconds or slo_scale * base) for workflow, base in bases]


async def play(
    items: Sequence[PlayedItem],
    endpoint: Endpoint,
    patience: Patience,
    *,
    prefix: str = "",
    hide_lengths: bool = False,
    ended: Callable[[], None] = lambda: None,
) -> list[WorkflowOutcome]:
    """Play ``items`` and return what became of them, in their order.

    ``prefix`` makes the workflows' names unlike those of other runs; ``ended`` is called at each one's end.
    ``hide_lengths``: the server is told each call's limit, not its output's length (``Endpoint.generate``).
    """
    # Before the clock runs: making prompts takes time.
    flights = [_flight(item) for item in items]
    begin = asyncio.get_running_loop().time() + _LEAD_SECONDS
    player = _Player(endpoint, patience, prefix, begin, hide_lengths)

    async def played(flight: _PlayedWorkflow) -> WorkflowOutcome:
        outcome = await player.workflow(flight)
        ended()
        return outcome

    return list(await asyncio.gather(*map(played, flights)))


def _flight(item: PlayedItem) -> _PlayedWorkflow:
    workflow = item.workflow
    prompts = {call.id: token_ids(workflow, call) for call in workflow.calls}
    return _PlayedWorkflow(item, WorkflowReplay(workflow), prompts, len(workflow.calls))


class _Player:
    def __init__(
        self, endpoint: Endpoint, patience: Patience, prefix: str, begin: float, hide_lengths: bool
    ) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._prefix = prefix
        self._begin = begin
        self._hide_lengths = hide_lengths
        self._clock = asyncio.get_running_loop().time

    async def workflow(self, flight: _PlayedWorkflow) -> WorkflowOutcome:
        """Run a workflow at its time and return what became of it."""
        workflow, reason = flight.item.workflow, None
        await asyncio.sleep(self._begin + workflow.arrival - self._clock())
        try:
            async with asyncio.timeout(self._patience.workflow_seconds), asyncio.TaskGroup() as group:
                self._start(group, flight, flight.replay.first(), workflow.arrival)
        except* _FailedError as failures:
            reason = str(failures.exceptions[0])
        except* TimeoutError:
            reason = "workflow timeout"
        return WorkflowOutcome(
            id=workflow.id,
            arrival=workflow.arrival,
            seconds=self._now() - workflow.arrival,
            base_seconds=flight.item.base_seconds,
            error=reason,
            calls=tuple(flight.calls),
        )

    def _now(self) -> float:
        return self._clock() - self._begin

    def _start(
        self, group: asyncio.TaskGroup, flight: _PlayedWorkflow, calls: Sequence[TraceCall], ready: float
    ) -> None:
        flight.unsent -= len(calls)
        for call in calls:
            # Of calls side by side the first to end would end the workflow before the others have come.
            tag = self._tag(flight, call) | {"last": not flight.unsent and len(calls) == 1}
            group.create_task(self._call(group, flight, call, ready, tag))

    async def _call(
        self,
        group: asyncio.TaskGroup,
        flight: _PlayedWorkflow,
        call: TraceCall,
        ready: float,
        tag: dict[str, Any],
    ) -> None:
        """Send a call that could be sent at ``ready``; when it has ended, start what follows."""
        outcome = await self._sent(flight, call, ready, tag)
        flight.calls.append(outcome)
        if outcome.error is not None:
            raise _FailedError(outcome.error)
        await asyncio.sleep(call.sql)
        followers, _ = flight.replay.end(call)
        self._start(group, flight, followers, self._now())

    async def _sent(
        self, flight: _PlayedWorkflow, call: TraceCall, ready: float, tag: dict[str, Any]
    ) -> CallOutcome:
        sent, told = self._now(), dict[str, Any]()
        try:
            prompt, limit = flight.prompts.pop(call.id), call.limit_tokens if self._hide_lengths else None
            answer = await self._endpoint.generate(
                prompt, call.output, tag, self._patience.call_seconds, limit
            )
        except CallError as error:
            told["error"] = str(error)
        else:
            told = {name: getattr(answer, name) for name in answer.__dataclass_fields__}
            for name in ("queue_seconds", "first_token_seconds"):
                if told[name] is not None:
                    told[name] += sent - ready
        seconds = self._now() - ready
        return CallOutcome(stage=call.stage, call=call.id, ready=ready, sent=sent, seconds=seconds, **told)

    def _tag(self, flight: _PlayedWorkflow, call: TraceCall) -> dict[str, Any]:
        """Return what a client of Sluice's says of a call."""
        workflow = flight.item.workflow
        siblings = {c.branch for c in workflow.calls if c.join == call.join and c.stage == call.stage}
        tag: dict[str, Any] = {
            "id": self._prefix + workflow.id,
            "stage": call.stage,
            "slo_seconds": flight.item.slo_seconds,
            "siblings": len(siblings) if call.join is not None else 1,
            "tenant": workflow.tenant,
        }
        return tag if workflow.database is None else tag | {"database": workflow.database}
