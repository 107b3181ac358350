"""Another deadline for a running workflow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.launch.api.api_stack import Api, api_stack
from tests.waiting import reached


async def _waiting(api: Api, **workflow: Any) -> asyncio.Task[Any]:
    """Start a call that its runtime has taken and not begun."""
    api.worker.stalls = True
    api.worker.go.clear()
    seen = len(api.worker.requests)
    call = asyncio.create_task(api.generate(workflow={"id": "agent-7", **workflow}))
    await reached(lambda: len(api.worker.requests) > seen)
    return call


async def _patch(api: Api, seconds: Any, workflow_id: str = "agent-7") -> tuple[int, dict[str, Any]]:
    response = await api.client.patch(f"/v1/workflows/{workflow_id}", json={"slo_seconds": seconds})
    return response.status_code, dict(response.json())


async def test_patch_gives_another_deadline_and_place() -> None:
    """The workflow shows its new deadline; its call in the runtime's queue gets the key of that deadline."""
    async with api_stack(ordering="urgency") as api:
        call = await _waiting(api, slo_seconds=3000.0, last=True)
        (sent,) = api.worker.requests
        status, shown = await _patch(api, 500.0)
        assert (status, shown["slo_seconds"], shown["seconds"]) == (200, 500.0, None)
        ((rid, key),) = api.worker.rekeys
        assert rid == sent.rid
        assert key == pytest.approx(sent.key - 2500.0)
        api.worker.go.set()
        assert (await call).status_code == 200
        shown = (await api.client.get("/v1/workflows/agent-7")).json()
        (entry,) = shown["timeline"]
        assert (entry["rekeys"], entry["decision"]["key"], entry["attempts"]) == (1, key, 1)
        assert (shown["slo_seconds"], shown["deadline_met"]) == (500.0, True)


async def test_fcfs_moves_no_call() -> None:
    """Under an order that doesn't look at deadlines nothing is sent to the runtime."""
    async with api_stack() as api:
        call = await _waiting(api, slo_seconds=3000.0)
        assert (await _patch(api, 500.0))[0] == 200
        api.worker.go.set()
        await call
        assert api.worker.rekeys == []


async def test_a_later_call_may_name_another_deadline() -> None:
    """It is the workflow's, for its earlier calls too; a call that names none changes nothing."""
    async with api_stack(ordering="urgency") as api:
        calls = [await _waiting(api, slo_seconds=3000.0), await _waiting(api)]
        assert api.worker.rekeys == []
        calls.append(await _waiting(api, slo_seconds=20.0))
        assert {rid for rid, _ in api.worker.rekeys} == {sent.rid for sent in api.worker.requests[:2]}
        assert api.latest(1)[0].summary()["slo_seconds"] == 20.0
        api.worker.go.set()
        assert [(await call).status_code for call in calls] == [200, 200, 200]


@pytest.mark.parametrize("seconds", [0, -1, "soon", None, 1e9])
async def test_a_deadline_is_a_positive_number_of_seconds(seconds: Any) -> None:
    """Anything else is refused with the field's name."""
    async with api_stack() as api:
        call = await _waiting(api)
        status, answer = await _patch(api, seconds)
        assert (status, answer["error"]["field"]) == (422, "slo_seconds")
        api.worker.go.set()
        await call


async def test_only_a_running_workflow_can_be_changed() -> None:
    """One that has ended is a conflict, an unknown one isn't found."""
    async with api_stack() as api:
        await api.generate(workflow={"id": "agent-7", "last": True})
        status, answer = await _patch(api, 5.0)
        assert (status, answer["error"]["code"]) == (409, "conflict")
        assert (await _patch(api, 5.0, "nobody"))[0] == 404


async def test_a_program_sees_its_new_deadline() -> None:
    """What a workflow run by the server has left is counted to the new deadline."""
    async with api_stack() as api:
        api.worker.go.clear()
        asked = asyncio.create_task(api.client.post("/v1/text2sql", json={"question": "How many?"}))
        await reached(lambda: bool(api.worker.requests))
        running = api.latest(1)[0]
        assert (await _patch(api, 1000.0, running.spec.workflow_id))[0] == 200
        api.worker.go.set()
        assert (await asked).json()["slo_seconds"] == 1000.0
