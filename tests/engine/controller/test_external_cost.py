"""What a call of an agent's workflow costs the controller: as much at the ten-thousandth as at the first."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

from engine.controller.calls import CallRequest, PendingCall
from engine.controller.controller import Controller
from engine.controller.core_driver import CoreDriver, DriverOptions
from engine.controller.external_workflows import ExternalWorkflows, WorkflowTag
from engine.controller.prompt_encoder import prompt_from_ids
from engine.controller.timeline import MOST_STEPS, CallEntry
from engine.controller.worker_table import WorkerTable
from engine.wire.link import RouterLink
from launch.shipped import ordering_registry, placement_registry
from sched import events as ev
from sched.dispatcher import Dispatcher
from sched.liveness import LifeLimits
from tests.launch.api.api_fakes import FakeLink

CALLS = 10_000
WINDOW = 1000
"""More calls than between two times at which old steps are summed up."""


def lines_run(work: Callable[[], None]) -> int:
    """Return how many lines of Python ``work`` runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


class Agent:
    """Makes calls one by one in a workflow that never ends, each of another stage and a third of a fan-out
    that is never filled.  No runtime is up: they wait, and are cancelled."""

    def __init__(self) -> None:
        dispatcher = Dispatcher(placement_registry().load("least_work"), ordering_registry().load("fcfs"))
        workers = WorkerTable((), allow_simulated=False, limits=LifeLimits(lost_seconds=math.inf))
        link = cast(RouterLink, FakeLink())
        self.driver = CoreDriver(link, dispatcher, workers, DriverOptions(epoch="epoch0"), clock=lambda: 1.0)
        self.external = ExternalWorkflows(Controller(self.driver), default_slo_seconds=1.0)
        self.made = 0

    def calls(self, number: int) -> None:
        for _ in range(number):
            self.made += 1
            stage = f"stage-{self.made}"
            places = self.external.enter(WorkflowTag(workflow_id="agent", stage=stage, siblings=3))
            request = CallRequest(
                place=places[0], stage=stage, prompt=prompt_from_ids([1]), sampling={}, max_new_tokens=1
            )
            entry = CallEntry(stage=stage, branch=0, ready_at=0.0)
            done = asyncio.get_running_loop().create_future()
            self.driver.accept(PendingCall(self.made, request, entry, done, 1.0))
            self.driver.handle(ev.CallCancelled(self.made, "enough"))
            done.exception()
            self.external.leave(places)


async def test_the_cost_of_a_call_does_not_grow_with_its_workflow() -> None:
    """Counted in lines of Python that are run; and what is kept of the workflow doesn't grow either."""
    agent = Agent()
    agent.calls(10)
    first = lines_run(lambda: agent.calls(WINDOW // 10))
    agent.calls(2 * WINDOW - agent.made)
    early = lines_run(lambda: agent.calls(WINDOW))
    agent.calls(CALLS - agent.made - WINDOW)
    late = lines_run(lambda: agent.calls(WINDOW))
    print(f"lines a call: {first / (WINDOW / 10):.0f} at first, {early / WINDOW:.0f}, {late / WINDOW:.0f}")
    assert late < 1.05 * early
    assert late < 2 * 10 * first
    record = agent.driver.records.get("agent")
    assert record is not None
    assert (record.calls, record.seconds) == (CALLS, None)
    assert len(record.entries) <= MOST_STEPS * 5 // 4
    (progress,) = agent.external._progress.values()
    assert len(progress.filling) < 2 * WINDOW
