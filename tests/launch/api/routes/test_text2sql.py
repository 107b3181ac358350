"""``/v1/text2sql`` and ``/v1/workflows``."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, ClassVar

import httpx
import pytest
from fastapi.routing import APIRoute

from launch.api.routes.text2sql import router
from plugins.majority.majority import Majority
from plugins.text2sql.question import QuestionRequest
from plugins.workflow_kind import WorkflowRequest
from sched.errors import Failure
from tests.launch.api.api_stack import Api, api_stack, events, served
from tests.waiting import GUARD_SECONDS, reached


async def _ask(api: Api, **body: Any) -> httpx.Response:
    return await api.client.post("/v1/text2sql", json={"question": "How many customers?"} | body)


async def test_a_question_is_answered_with_sql_rows_and_the_way_there() -> None:
    """The only database is the default; the timeline has the call and the statement."""
    async with api_stack() as api:
        response = await _ask(api, slo_seconds=700, candidates=3)
        assert response.status_code == 200
        answer = response.json()
        assert response.headers["x-workflow-id"] == answer["workflow_id"]
        assert (answer["status"], answer["sql"], answer["rows"]) == ("ok", "SELECT 1 + 1", [[2]])
        assert (answer["columns"], answer["truncated"], answer["sql_error"]) == (["n"], False, None)
        assert (answer["slo_seconds"], answer["deadline_met"], answer["database"]) == (700.0, True, "shop")
        call, sql = answer["timeline"]
        assert (call["kind"], call["runtime"], call["state"]) == ("call", "r0", "finished")
        assert call["decision"]["reason"]
        assert (sql["kind"], sql["statement"], sql["row_count"]) == ("sql", "SELECT 1 + 1", 1)
        assert api.text2sql.asked == [("How many customers?", "shop", 3)]
        assert "error" not in answer


def test_every_router_has_the_models_of_its_own_kind() -> None:
    """Another server in the same process changes nothing about it."""

    class Other(Majority):
        request: ClassVar[Any] = WorkflowRequest

    first = router(Majority()).routes[0]
    router(Other())
    assert isinstance(first, APIRoute)
    assert first.endpoint.__annotations__["body"] is QuestionRequest


async def test_evidence_reaches_the_workflow_and_is_documented() -> None:
    """It is optional."""
    async with api_stack() as api:
        assert (await _ask(api)).status_code == 200
        assert (await _ask(api, evidence=" all of them\n")).status_code == 200
        assert api.text2sql.hints == ["", "all of them"]
        document = (await api.client.get("/openapi.json")).json()
        shown = document["components"]["schemas"]["QuestionRequest"]["properties"]["evidence"]
        assert (shown["type"], shown["default"], shown["maxLength"]) == ("string", "", 10_000)


async def test_a_stream_shows_the_workflow_its_steps_and_the_answer() -> None:
    """The id comes first, each step whenever it changes, the full answer last."""
    async with api_stack() as api:
        response = await _ask(api, stream=True)
        found = events(response.text)
        assert found[0][0] == "workflow"
        assert {name for name, _ in found[1:-1]} == {"step"}
        workflow_id = found[0][1]["workflow_id"]
        assert workflow_id == response.headers["x-workflow-id"]
        steps = [data for name, data in found if name == "step"]
        assert {step["index"] for step in steps} == {0, 1}
        assert all(later != earlier for earlier, later in pairwise(steps))
        assert steps[-1]["state"] == "finished"
        name, answer = found[-1]
        assert (name, answer["workflow_id"], answer["rows"]) == ("result", workflow_id, [[2]])


async def test_steps_are_sent_while_the_workflow_runs() -> None:
    """A step is seen before the call that it shows has finished."""
    async with api_stack() as api, served(api.app) as port:
        api.worker.go.clear()
        body = {"question": "How many customers?", "stream": True}
        url, text = f"http://127.0.0.1:{port}/v1/text2sql", ""
        async with (
            httpx.AsyncClient(trust_env=False, verify=False, timeout=GUARD_SECONDS) as client,
            client.stream("POST", url, json=body) as response,
        ):
            async for part in response.aiter_text():
                text += part
                if "event: step" in text:
                    api.worker.go.set()
        states = [data["state"] for name, data in events(text) if name == "step"]
        assert states[0] in ("waiting", "dispatched", "running")
        assert states[-1] == "finished"


async def test_nothing_ran_is_an_honest_200() -> None:
    """No SQL that ran is an answer, not a fault of the server: sql is null and the reason is given."""
    async with api_stack() as api:
        api.text2sql.answer = {
            "status": "no_sql_ran",
            "sql": None,
            "rows": [],
            "sql_error": "no such column: x",
        }
        response = await _ask(api)
        answer = response.json()
        assert response.status_code == 200
        assert (answer["status"], answer["sql"]) == ("no_sql_ran", None)
        assert answer["sql_error"] == "no such column: x"


async def test_a_workflow_that_fails_gives_its_errors_status() -> None:
    """The id is in the header, so that the failure can be looked at; a stream ends in an error event."""
    async with api_stack() as api:
        api.worker.failure = Failure("invalid_request", "the prompt is too long")
        response = await _ask(api)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
        workflow_id = response.headers["x-workflow-id"]
        shown = (await api.client.get(f"/v1/workflows/{workflow_id}")).json()
        assert (shown["state"], shown["error"]["code"]) == ("failed", "invalid_request")
        assert shown["timeline"][0]["error"] == "the prompt is too long"
        name, data = events((await _ask(api, stream=True)).text)[-1]
        assert (name, data["error"]["code"]) == ("error", "invalid_request")


async def test_a_program_with_a_bug_is_500() -> None:
    """Its exception ends the workflow as failed."""
    async with api_stack() as api:
        api.text2sql.error = ZeroDivisionError("oops")
        response = await _ask(api)
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")


BAD_QUESTIONS: list[tuple[dict[str, Any], int, str]] = [
    ({"question": "  "}, 400, "question"),
    ({"question": None}, 422, "question"),
    ({"question": "x" * 10_001}, 422, "question"),
    ({"database": "bank"}, 404, "database"),
    ({"slo_seconds": 0}, 422, "slo_seconds"),
    ({"slo_seconds": "soon"}, 422, "slo_seconds"),
    ({"candidates": 0}, 422, "candidates"),
    ({"candidates": 9}, 422, "candidates"),
    ({"candidates": 2.5}, 422, "candidates"),
    ({"evidence": None}, 422, "evidence"),
    ({"evidence": 7}, 422, "evidence"),
    ({"evidence": "x" * 10_001}, 422, "evidence"),
    ({"conversation_id": ""}, 422, "conversation_id"),
    ({"conversation_id": "my own"}, 422, "conversation_id"),
    ({"conversation_id": "x" * 129}, 422, "conversation_id"),
    ({"execute": "no"}, 422, "execute"),
    ({"explain": 1}, 422, "explain"),
    ({"max_rows": 0}, 422, "max_rows"),
    ({"max_rows": 2.5}, 422, "max_rows"),
    ({"hint": "x"}, 400, "hint"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("body", "status", "field"), BAD_QUESTIONS)
async def test_a_bad_question_names_the_field(
    body: dict[str, Any], status: int, field: str, stream: bool
) -> None:
    """No workflow begins for it."""
    async with api_stack() as api:
        response = await _ask(api, stream=stream, **body)
        assert (response.status_code, response.json()["error"]["field"]) == (status, field)
        assert not api.latest(10)


async def test_an_unknown_database_is_told_the_known_ones() -> None:
    """And with several databases one must be named."""
    async with api_stack() as api:
        api.databases.append("bank")
        assert (await api.client.get("/v1/databases")).json()["databases"] == ["shop", "bank"]
        assert (await api.client.get("/v1/databases")).json()["details"] == [
            {"name": name, "kind": "sqlite", "state": "ready", "reason": None, "warnings": []}
            for name in ("shop", "bank")
        ]
        unknown = (await _ask(api, database="x")).json()["error"]
        assert unknown["message"].endswith("known are: shop, bank")
        unnamed = await _ask(api)
        assert (unnamed.status_code, unnamed.json()["error"]["field"]) == (400, "database")
        assert (await _ask(api, database="bank")).json()["database"] == "bank"
        api.databases.append("gone")  # dropped between the check and its use
        assert (await _ask(api, database="gone", stream=True)).status_code == 404


async def test_workflows_are_listed_newest_first_and_shown_by_id() -> None:
    """The list has no timelines; an unknown id is 404 and a bad limit names itself."""
    async with api_stack() as api:
        ids = [(await _ask(api)).json()["workflow_id"] for _ in range(3)]
        listed = (await api.client.get("/v1/workflows", params={"limit": 2})).json()["workflows"]
        assert [workflow["workflow_id"] for workflow in listed] == ids[:0:-1]
        assert "timeline" not in listed[0]
        assert (listed[0]["kind"], listed[0]["calls"], listed[0]["state"]) == ("text2sql", 1, "finished")
        shown = (await api.client.get(f"/v1/workflows/{ids[0]}")).json()
        assert shown["result"]["sql"] == "SELECT 1 + 1"
        unknown = await api.client.get("/v1/workflows/x")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
        limit = await api.client.get("/v1/workflows", params={"limit": 0})
        assert (limit.status_code, limit.json()["error"]["field"]) == (422, "limit")


async def test_a_running_workflow_can_be_cancelled_once() -> None:
    """Its call is aborted on the runtime, its client gets 499, and a second time is a conflict."""
    async with api_stack() as api:
        api.worker.go.clear()
        asked = asyncio.create_task(_ask(api))
        await reached(lambda: bool(api.worker.requests))
        path = f"/v1/workflows/{api.latest(1)[0].spec.workflow_id}"
        cancelled = await api.client.delete(path)
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        response = await asked
        assert (response.status_code, response.json()["error"]["code"]) == (499, "cancelled")
        await reached(lambda: api.worker.aborted == [api.worker.requests[0].rid])
        assert (await api.client.delete(path)).status_code == 409
        assert (await api.client.delete("/v1/workflows/x")).status_code == 404
