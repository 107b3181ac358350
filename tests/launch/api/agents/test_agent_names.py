"""The table of names by which agents say whose a call is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.api.agents.agent_names import BODY, PARENTS, SOURCES, found
from launch.api.bodies import WorkflowBody
from launch.api.identity import workflow_tag
from tests.launch.api.openai.openai_stack import QUESTION, openai_app

UUID = "3f0e8a3c-18e4-4d70-b6ff-9fd52a4d3d6c"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
README = Path(__file__).parents[4] / "launch/api/README.md"
WORKFLOW_SOURCES = SOURCES["workflow"][2:]


def labels(**paths: Any) -> dict[str, Any]:
    """Return a body's fields; a name's double underscore stands for a dot."""
    fields: dict[str, Any] = {}
    for path, value in paths.items():
        *outer, name = path.split("__")
        place = fields
        for key in outer:
            place = place.setdefault(key, {})
        place[name] = value
    return fields


def sent(source: str, value: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return headers and body fields in which ``source`` has ``value``."""
    if source.startswith(BODY):
        return {}, labels(**{source.removeprefix(BODY).replace(".", "__"): value})
    return {source: value}, {}


def test_the_documented_order_is_the_tables() -> None:
    """Row for row, name for name."""
    rows = re.findall(r"^\| (\w+) \| (`[^|]*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    shown = {tells: tuple(re.findall("`([^`]+)`", names)) for tells, names in rows if tells in SOURCES}
    assert shown == dict(SOURCES)


@pytest.mark.parametrize("place", range(len(WORKFLOW_SOURCES) - 1))
def test_an_earlier_name_of_the_workflow_comes_first(place: int) -> None:
    """Each before the next one."""

    def value(source: str) -> str:
        return TRACE if source == "traceparent" else f"0123456789abcdef-{source}"

    first, second = WORKFLOW_SOURCES[place : place + 2]
    if (first, second) == ("body.conversation", "body.conversation.id"):
        return  # one field, in two forms
    headers, fields = sent(first, value(first))
    more_headers, more_fields = sent(second, value(second))
    merged = {**more_fields, **fields}
    if "metadata" in fields and "metadata" in more_fields:
        merged["metadata"] = more_fields["metadata"] | fields["metadata"]
    assert next(found("workflow", headers | more_headers, merged))[0] == first


@pytest.mark.parametrize(
    ("headers", "fields", "workflow"),
    [
        ({"x-claude-code-session-id": "s", "x-claude-code-agent-id": "a1"}, {}, "s"),
        ({"x-claude-code-agent-id": "child", "x-claude-code-parent-agent-id": "main"}, {}, "main"),
        ({"x-claude-code-agent-id": "main"}, {}, "main"),
        ({"x-parent-session-id": "p", "x-session-id": "c"}, {}, "p"),
        ({"session_id": "s"}, {}, "s"),
        ({}, labels(session_id="s"), "s"),
        ({"session_id": "head"}, labels(session_id="body"), "head"),
        ({"traceparent": TRACE}, {}, "trace-4bf92f3577b34da6a3ce929d0e0e4736"),
        ({"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"}, {}, None),
        ({"traceparent": "ff" + TRACE[2:]}, {}, None),
        ({"traceparent": "yesterday"}, labels(metadata__session_id="m"), "m"),
        ({}, labels(metadata__session_id=7), "7"),
        ({}, labels(metadata__session_id=True), None),
        ({}, labels(metadata="run 7"), None),
        ({}, labels(conversation="conv_1"), "conv_1"),
        ({}, labels(conversation__id="conv_1"), "conv_1"),
        ({}, labels(prompt_cache_key="my-app"), None),
        ({}, labels(prompt_cache_key=UUID), UUID),
        ({}, labels(user="ann"), None),
        ({"x-session-id": "  "}, {}, None),
    ],
)
def test_what_names_the_workflow(
    headers: dict[str, str], fields: dict[str, Any], workflow: str | None
) -> None:
    """And what doesn't, though it looks as if it did."""
    tag = workflow_tag(headers, WorkflowBody(), fields)
    assert (tag.workflow_id, tag.session) == (workflow, workflow is not None)


@pytest.mark.parametrize(
    ("headers", "stage"),
    [
        ({"x-claude-code-agent-id": "reviewer@team"}, "reviewer"),
        ({"x-claude-code-agent-id": "reviewer"}, "reviewer"),
        ({"x-claude-code-agent-id": "agent_01ABC"}, "generate"),
        ({"x-claude-code-agent-id": "agent_01ABC", "x-claude-code-agent-type": "Explore"}, "Explore"),
        ({"x-claude-code-agent-id": "reviewer", "x-sluice-stage": "draft"}, "draft"),
        ({"x-openai-subagent": "compact"}, "compact"),
    ],
)
def test_what_names_the_stage(headers: dict[str, str], stage: str) -> None:
    """An agent's name; a generated id would be a stage of its own each time."""
    tag = workflow_tag({"x-claude-code-session-id": "s"} | headers, WorkflowBody())
    assert (tag.workflow_id, tag.stage, tag.stage_said) == ("s", stage, stage != "generate")


@pytest.mark.parametrize(
    ("headers", "fields", "tenant"),
    [
        ({"x-llm-d-inference-fairness-id": "team"}, labels(user="ann"), "team"),
        ({"x-sluice-tenant": "ours", "x-llm-d-inference-fairness-id": "team"}, {}, "ours"),
        ({}, labels(user="ann", metadata__user_id="bob"), "ann"),
        ({}, labels(metadata__user_id="bob"), "bob"),
        ({}, labels(user={"name": "ann"}), "default"),
        ({}, {}, "default"),
    ],
)
def test_what_names_the_tenant(headers: dict[str, str], fields: dict[str, Any], tenant: str) -> None:
    """A user is one, and no workflow."""
    assert workflow_tag(headers, WorkflowBody(), fields).tenant == tenant


@pytest.mark.parametrize(
    ("value", "priority"),
    [("system", 2), ("Interactive", 1), ("default", 0), ("bulk", -1), ("7", 7), ("soon", 0), ("9" * 40, 0)],
)
def test_the_gateways_priorities(value: str, priority: int) -> None:
    """Its classes are numbers here; the body's own number comes first."""
    headers = {"x-smg-priority": value}
    assert workflow_tag(headers, WorkflowBody()).priority == priority
    assert workflow_tag(headers, WorkflowBody(), {"priority": 0}).priority == 0


@pytest.mark.parametrize(
    ("headers", "last"),
    [
        ({"x-dynamo-session-id": "s", "x-dynamo-session-final": "true"}, True),
        ({"x-dynamo-session-id": "s", "x-dynamo-session-final": "false"}, False),
        ({"x-dynamo-session-final": "true"}, False),
        (dict.fromkeys(PARENTS, "p") | {"x-dynamo-session-final": "true"}, False),
    ],
)
def test_a_sessions_last_call(headers: dict[str, str], last: bool) -> None:
    """A sub-agent's last call isn't its parent's."""
    assert workflow_tag(headers, WorkflowBody()).last is last


OTHERS_HEADERS = [n for row in SOURCES.values() for n in row if not n.startswith((BODY, "x-sluice"))]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "session_id", "user_id"]), inner),
)


@given(
    headers=st.dictionaries(
        st.sampled_from(OTHERS_HEADERS),
        st.text(),
    ),
    fields=st.dictionaries(
        st.sampled_from(["user", "metadata", "conversation", "prompt_cache_key", "safety_identifier"]), JSON
    ),
)
def test_no_value_refuses_a_call(headers: dict[str, str], fields: dict[str, Any]) -> None:
    """Whatever they hold, names of ours come of them."""
    tag = workflow_tag(headers, WorkflowBody(), fields)
    WorkflowBody(id=tag.workflow_id, stage=tag.stage, tenant=tag.tenant)


async def test_labels_of_any_form_are_accepted() -> None:
    """In the body, too; and one names the workflow."""
    odd = {"user": 7, "metadata": ["a"], "conversation": {"id": "conv-1"}, "prompt_cache_key": {}}
    async with openai_app() as api:
        response = await api.client.post("/v1/chat/completions", json={"messages": QUESTION} | odd)
        assert response.status_code == 200, response.text
        assert (await api.client.get("/v1/workflows/conv-1")).json()["tenant"] == "7"
