"""Whose workflow a call belongs to: the body, our headers, and what agents send anyway."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.controller.external_workflows import WorkflowTag
from launch.api.agents.agent_names import SOURCES
from launch.api.bodies import WorkflowBody
from launch.api.identity import workflow_tag
from sched.clock import ManualClock
from sched.errors import InvalidRequestError
from tests.launch.api.api_stack import api_stack
from tests.launch.api.openai.openai_stack import QUESTION, openai_stack

EVERY_HEADER = {
    "x-sluice-workflow-id": "q-17",
    "x-sluice-stage": "draft",
    "x-sluice-slo-seconds": "2.5",
    "x-sluice-siblings": "3",
    "x-sluice-database": "shop",
    "x-sluice-tenant": "team",
    "x-sluice-last": "true",
}


def test_headers_say_what_the_body_can_say() -> None:
    """Every field of workflow has its header."""
    assert workflow_tag(EVERY_HEADER, WorkflowBody()) == WorkflowTag(
        workflow_id="q-17",
        stage="draft",
        slo_seconds=2.5,
        siblings=3,
        database="shop",
        tenant="team",
        last=True,
        stage_said=True,
    )
    assert len(EVERY_HEADER) == len(WorkflowBody.model_fields)


def test_a_field_of_the_body_comes_before_its_header() -> None:
    """Field by field: a gateway may set the workflow, the agent the stage."""
    body = WorkflowBody(stage="revise", siblings=1, tenant="default")
    tag = workflow_tag(EVERY_HEADER, body)
    assert (tag.workflow_id, tag.stage, tag.siblings, tag.tenant) == ("q-17", "revise", 1, "default")
    assert tag.slo_seconds == 2.5


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"x-sluice-slo-seconds": "soon"}, "x-sluice-slo-seconds"),
        ({"x-sluice-slo-seconds": "nan"}, "x-sluice-slo-seconds"),
        ({"x-sluice-slo-seconds": "-1"}, "x-sluice-slo-seconds"),
        ({"x-sluice-siblings": "0"}, "x-sluice-siblings"),
        ({"x-sluice-last": "perhaps"}, "x-sluice-last"),
        ({"x-sluice-workflow-id": "a b"}, "x-sluice-workflow-id"),
        ({"x-sluice-deadline": "3"}, "x-sluice-deadline"),
        ({"x-sluice-id": "q"}, "x-sluice-id"),
        ({"x-sluice-siblings": "2"}, "workflow.id"),
    ],
)
def test_a_wrong_header_is_refused_by_name(headers: dict[str, str], field: str) -> None:
    """As a wrong field of the body is."""
    with pytest.raises(InvalidRequestError) as raised:
        workflow_tag(headers, WorkflowBody())
    assert raised.value.field == field


SESSION_HEADERS = [
    name for name in SOURCES["workflow"] if "session" in name and not name.startswith(("body.", "x-sluice"))
]


@pytest.mark.parametrize("header", [*SESSION_HEADERS, "x-smg-routing-key"])
def test_agents_session_headers_name_a_workflow(header: str) -> None:
    """Where nothing of ours does."""
    tag = workflow_tag({header: "s-1"}, WorkflowBody(stage="draft"))
    assert (tag.workflow_id, tag.session, tag.stage) == ("s-1", True, "draft")
    ours = workflow_tag({header: "s-1", "x-sluice-workflow-id": "q-17"}, WorkflowBody())
    assert (ours.workflow_id, ours.session) == ("q-17", False)
    assert workflow_tag({header: "s-1"}, WorkflowBody(id="mine")).workflow_id == "mine"
    assert workflow_tag({header: "s-1"}, WorkflowBody(), {"program_id": "program"}).workflow_id == "program"
    assert workflow_tag({header: ""}, WorkflowBody()).workflow_id is None


def test_a_sub_agents_calls_are_its_parents() -> None:
    """The parent's answer waits for them."""
    headers = {"x-dynamo-session-id": "child", "x-dynamo-parent-session-id": "parent"}
    assert workflow_tag(headers, WorkflowBody()).workflow_id == "parent"


def test_a_session_may_have_any_name() -> None:
    """It was not made for us: what can't be a workflow's id stands under its digest, always the same."""
    first, again, other = (
        workflow_tag({"x-session-id": name}, WorkflowBody()).workflow_id
        for name in ("a/b c", "a/b c", "a/b d")
    )
    assert first == again != other
    assert first is not None
    assert first.startswith("session-")
    assert WorkflowBody(id=first).id == first


async def test_calls_of_one_session_are_one_workflow_on_every_route() -> None:
    """Chats, completions and /generate."""
    async with openai_stack() as (api, client, _):
        headers = {"x-session-id": "s-1"}
        extra: Any = {"extra_headers": headers}
        await client.chat.completions.create(model="tiny", messages=QUESTION, **extra)
        await client.completions.create(model="tiny", prompt="one", **extra)
        await client.completions.create(model="tiny", prompt="one", extra_body={"program_id": "s-1"})
        await api.client.post("/generate", json={"text": "one"}, headers=headers)
        await api.client.post("/generate", json={"text": "one", "program_id": "s-1"})
        await client.completions.create(model="tiny", prompt="one", extra_body={"session_id": "s-1"})
        await api.client.post("/generate", json={"text": "one", "session_id": "s-1"})
        shown = (await api.client.get("/v1/workflows/s-1")).json()
        assert [entry["state"] for entry in shown["timeline"]] == ["finished"] * 7
        assert (shown["kind"], shown["seconds"]) == ("external", None)


async def test_headers_place_a_call_in_its_fan_out() -> None:
    """Two agents' requests with n = 2 each fill a join of four, and last ends the workflow."""
    async with openai_stack() as (api, client, _):
        headers = {"x-sluice-workflow-id": "q-17", "x-sluice-stage": "draft", "x-sluice-siblings": "2"}
        await asyncio.gather(
            *(
                client.completions.create(model="tiny", prompt="one", n=2, extra_headers=headers)
                for _ in range(2)
            )
        )
        (join,) = api.dispatcher.book.workflows["q-17"].joins.values()
        assert (join.size, join.left) == (4, 0)
        headers = {"x-sluice-workflow-id": "q-17", "x-sluice-last": "1"}
        await client.completions.create(
            model="tiny", prompt="one", extra_headers=headers, extra_body={"workflow": {"stage": "pick"}}
        )
        shown = (await api.client.get("/v1/workflows/q-17")).json()
        assert [entry["stage"] for entry in shown["timeline"]] == ["draft"] * 4 + ["pick"]
        assert sorted(entry["branch"] for entry in shown["timeline"][:4]) == [0, 1, 2, 3]
        assert shown["state"] == "finished"


async def test_a_session_goes_on_after_its_deadline_as_a_new_workflow() -> None:
    """Else each later call of a long session would be overdue, and go before everybody else's."""
    async with api_stack(clock=(clock := ManualClock())) as api:

        async def call(**headers: str) -> None:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            body = {"text": "one", "workflow": {"slo_seconds": 5.0}}
            assert (await api.client.post("/generate", json=body, headers=named)).status_code == 200

        for headers, calls in (({"x_session_id": "s"}, 1), ({"x_sluice_workflow_id": "w"}, 2)):
            await call(**headers)
            clock.advance(6.0)
            await call(**headers)
            name = next(iter(headers.values()))
            shown = (await api.client.get(f"/v1/workflows/{name}")).json()
            assert len(shown["timeline"]) == calls
            assert shown["seconds"] is None
