"""Sessions as workflows: parallel calls, silence, how many are kept open."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.controller.external_workflows import SILENCE_SECONDS, ExternalWorkflows, WorkflowTag
from sched.clock import ManualClock
from tests.launch.api.api_stack import Api, api_stack
from tests.waiting import reached


async def call(api: Api, session: str, **body: Any) -> None:
    """Make a call of a session."""
    response = await api.client.post(
        "/generate", json={"text": "one"} | body, headers={"x-session-id": session}
    )
    assert response.status_code == 200, response.text


def visits(api: Api, session: str) -> int:
    """Return how many steps one behind the other the core saw."""
    return api.dispatcher.book.workflows[session].visits["generate"]


async def test_calls_side_by_side_are_one_step() -> None:
    """Of a fan-out nobody announced: then one by one, each call is a step."""
    async with api_stack() as api:
        api.worker.go.clear()
        calls = [asyncio.create_task(call(api, "s")) for _ in range(4)]
        await reached(lambda: len(api.worker.requests) == 4)
        api.worker.go.set()
        await asyncio.gather(*calls)
        assert visits(api, "s") == 1
        assert len(api.dispatcher.book.workflows["s"].joins) == 1
        for _ in range(2):
            await call(api, "s")
        assert visits(api, "s") == 3


async def test_a_silent_session_has_finished() -> None:
    """It isn't cancelled as one that was given up: who reads its page sees that all went well."""
    async with api_stack(clock=(clock := ManualClock())) as api:
        await call(api, "s")
        await call(api, "named", workflow={"id": "w"})
        clock.advance(SILENCE_SECONDS + 1.0)
        await reached(lambda: not api.controller.records.is_open("s"))
        shown = (await api.client.get("/v1/workflows/s")).json()
        assert (shown["state"], shown["seconds"], shown["deadline_met"]) == ("finished", 0.0, True)
        assert api.controller.records.is_open("w")


async def test_at_shutdown_a_silent_session_has_finished() -> None:
    """One with a call open is cancelled."""
    async with api_stack() as api:
        await call(api, "silent")
        api.worker.go.clear()
        open_call = asyncio.create_task(api.generate(workflow={"id": "busy"}))
        await reached(lambda: len(api.worker.requests) == 2)
        await api.controller.drain(0.0)
        states = {record.spec.workflow_id: record.state for record in api.latest(2)}
        assert states == {"silent": "finished", "busy": "cancelled"}
        await open_call


async def test_of_many_silent_sessions_the_oldest_end() -> None:
    """So that they never take the places of new workflows; a busy one stays."""
    async with api_stack() as api:
        external = ExternalWorkflows(api.controller, 60.0, most_idle=3)
        busy = external.enter(WorkflowTag(workflow_id="busy", session=True))
        for number in range(5):
            external.leave(external.enter(WorkflowTag(workflow_id=f"s{number}", session=True)))
        assert set(api.controller.records.open_ids()) == {"busy", "s2", "s3", "s4"}
        external.leave(external.enter(WorkflowTag(workflow_id="s2", session=True)))
        external.leave(busy)
        assert set(api.controller.records.open_ids()) == {"busy", "s2", "s4"}


async def test_a_session_named_as_a_workflow_that_runs_here_is_not_refused() -> None:
    """It didn't mean that one."""
    async with api_stack() as api:
        api.worker.stalls = True
        api.worker.go.clear()
        question = asyncio.create_task(
            api.client.post("/v1/text2sql", json={"question": "How many?", "database": "shop"})
        )
        await reached(lambda: len(api.worker.requests) == 1)
        (name,) = api.controller.records.open_ids()
        other = asyncio.create_task(call(api, name))
        await reached(lambda: len(api.worker.requests) == 2)
        api.worker.go.set()
        await other
        assert (await question).status_code == 200
