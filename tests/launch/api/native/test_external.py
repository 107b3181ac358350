"""``/generate`` with ``workflow``: agents that bring their own workflow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.controller.calls import CallRequest, Place
from engine.controller.external_workflows import ExternalWorkflows, WorkflowTag
from engine.controller.prompt_encoder import prompt_from_ids
from sched.errors import CancelledCallError, Failure
from tests.factories import workflow_spec
from tests.launch.api.api_stack import Api, api_stack
from tests.waiting import reached


async def _call(api: Api, **workflow: Any) -> dict[str, Any]:
    response = await api.generate(workflow={"id": "agent-7"} | workflow)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _workflow(api: Api, workflow_id: str = "agent-7") -> dict[str, Any]:
    shown: dict[str, Any] = (await api.client.get(f"/v1/workflows/{workflow_id}")).json()
    return shown


async def test_calls_with_one_id_are_one_workflow_until_the_last() -> None:
    """The first call opens it with its deadline, the one marked last ends it."""
    async with api_stack() as api:
        answer = await _call(api, stage="plan", slo_seconds=900.0, database="shop", tenant="team")
        assert answer["meta_info"]["sluice"]["workflow_id"] == "agent-7"
        assert (await _workflow(api))["seconds"] is None
        await _call(api, stage="write", last=True)
        shown = await _workflow(api)
        assert [entry["stage"] for entry in shown["timeline"]] == ["plan", "write"]
        assert [entry["index"] for entry in shown["timeline"]] == [0, 1]
        assert (shown["state"], shown["slo_seconds"], shown["deadline_met"]) == ("finished", 900.0, True)
        assert (shown["kind"], shown["tenant"], shown["database"]) == ("external", "team", "shop")


async def test_siblings_are_branches_of_one_fan_out() -> None:
    """Calls of a stage with siblings get the branches 0, 1, … in the order in which they come."""
    async with api_stack() as api:
        await asyncio.gather(*(_call(api, stage="draft", siblings=3) for _ in range(3)))
        shown = await _workflow(api)
        assert sorted(entry["branch"] for entry in shown["timeline"]) == [0, 1, 2]


async def test_a_sibling_that_ends_is_a_branch_that_ends() -> None:
    """The fan-out knows how many siblings still hold the workflow up."""
    async with api_stack() as api:
        await _call(api, stage="draft", siblings=3)
        await _call(api, stage="draft", siblings=3)
        (join,) = api.dispatcher.book.workflows["agent-7"].joins.values()
        assert (join.size, join.left) == (3, 1)


async def test_a_call_of_a_workflow_that_has_ended_does_not_join_its_namesake() -> None:
    """An id may come again; the call is refused all the same."""
    async with api_stack() as api:
        first = api.controller.open_workflow(workflow_spec("twice"))
        api.controller.end_workflow("twice")
        second = api.controller.open_workflow(workflow_spec("twice"))
        call: dict[str, Any] = {
            "stage": "s",
            "prompt": prompt_from_ids([1]),
            "sampling": {},
            "max_new_tokens": 1,
        }
        with pytest.raises(CancelledCallError):
            await api.controller.generate(CallRequest(place=Place(first), **call))
        await api.controller.generate(CallRequest(place=Place(second), **call))
        assert (len(first.entries), len(second.entries)) == (0, 1)


async def test_a_workflow_keeps_its_database() -> None:
    """A call that names another one is refused."""
    async with api_stack() as api:
        await _call(api, database="shop")
        response = await api.generate(workflow={"id": "agent-7", "database": "bank"})
        assert response.status_code == 400
        assert response.json()["error"]["field"] == "workflow.database"


async def test_a_workflow_run_by_the_server_takes_no_calls_from_outside() -> None:
    """Its id is known to its client, but its calls are the program's."""
    async with api_stack() as api:
        api.worker.go.clear()
        asked = asyncio.create_task(api.client.post("/v1/text2sql", json={"question": "How many?"}))
        await reached(lambda: bool(api.worker.requests))
        running = api.latest(1)[0].spec.workflow_id
        response = await api.generate(workflow={"id": running})
        assert response.status_code == 409
        assert response.json()["error"]["field"] == "workflow.id"
        api.worker.go.set()
        assert (await asked).status_code == 200


async def test_a_bare_call_is_a_workflow_that_ends_as_its_call_does() -> None:
    """A call that fails leaves no workflow that is called finished."""
    async with api_stack() as api:
        done = await api.generate(workflow={"slo_seconds": 3.0})
        shown = await _workflow(api, done.json()["meta_info"]["sluice"]["workflow_id"])
        assert (shown["kind"], shown["state"], shown["slo_seconds"]) == ("call", "finished", 3.0)
        api.worker.failure = Failure("invalid_request", "no such grammar")
        await api.generate()
        latest = api.latest(1)[0].summary()
        assert (latest["state"], latest["error"]["message"]) == ("failed", "no such grammar")


async def test_cancelling_an_external_workflow_ends_its_calls() -> None:
    """DELETE works for whoever runs the workflow; the calls in flight are aborted."""
    async with api_stack() as api:
        api.worker.go.clear()
        waiting = asyncio.create_task(api.generate(workflow={"id": "agent-7"}))
        await reached(lambda: bool(api.worker.requests))
        assert (await api.client.delete("/v1/workflows/agent-7")).json()["state"] == "cancelled"
        assert (await waiting).json()["error"]["code"] == "cancelled"
        assert api.worker.aborted == [api.worker.requests[0].rid]
        api.worker.go.set()
        assert (await _call(api, last=True))["text"] == "SELECT 1 + 1"


async def test_a_late_call_does_not_end_the_next_workflow_of_the_same_id() -> None:
    """An id can be used again; what is left of its earlier life has no say in the new one."""
    async with api_stack() as api:
        external: ExternalWorkflows = api.app.state.services.external
        old = external.enter(WorkflowTag(workflow_id="agent-7", last=True))
        api.controller.cancel_workflow("agent-7", "enough")
        new = external.enter(WorkflowTag(workflow_id="agent-7", last=True))
        external.leave(old)
        assert new[0].record.seconds is None
        external.leave(new)
        assert new[0].record.state == "finished"
