"""``sluice/<database>`` as a model, asked by OpenAI's own client."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest

from launch.api import question_workflows
from plugins.text2sql.question import QuestionRequest
from plugins.workflow_kind import WorkflowRequest
from sched.errors import OverloadedError
from sched.workflow import WorkflowProgram
from tests.launch.api.api_fakes import FakeText2Sql
from tests.launch.api.api_stack import Api
from tests.launch.api.openai.openai_stack import openai_stack
from tests.waiting import reached

MODEL = "sluice/shop"
ASKED: Any = [{"role": "user", "content": "How many customers?"}]
TEXT = "The answer is 2.\n\n```sql\nSELECT 1 + 1\n```\n\n| n |\n| --- |\n| 2 |"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the workflow is asked, as it is asked."""
    seen: list[dict[str, Any]] = []
    plain = FakeText2Sql.program

    def program(self: FakeText2Sql, request: QuestionRequest, database: str) -> WorkflowProgram:
        seen.append(request.model_dump(exclude_defaults=True))
        return plain(self, request, database)

    monkeypatch.setattr(FakeText2Sql, "program", program)
    return seen


async def _post(client: openai.AsyncOpenAI, **body: Any) -> httpx.Response:
    return await client.post(
        "/chat/completions", body={"model": MODEL, "messages": ASKED} | body, cast_to=httpx.Response
    )


async def test_a_question_is_answered_with_a_sentence_sql_and_a_table() -> None:
    """In OpenAI's form, with the tokens of all calls, and our part beside it."""
    async with openai_stack() as (api, client, _):
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED)
        answer = raw.parse()
        record = api.latest(1)[0]
        assert raw.headers["x-workflow-id"] == record.spec.workflow_id
        choice = answer.choices[0]
        assert (choice.message.content, choice.finish_reason, answer.model) == (TEXT, "stop", MODEL)
        assert answer.usage is not None
        assert (answer.usage.completion_tokens, answer.usage.prompt_tokens) == (3, 3)
        assert answer.usage.total_tokens == 6
        ours: Any = choice.model_extra
        assert (ours["sluice"]["status"], ours["sluice"]["sql"]) == ("ok", "SELECT 1 + 1")
        assert ours["sluice"]["workflow_id"] == record.spec.workflow_id


async def test_earlier_messages_are_the_conversation_and_a_systems_the_evidence(
    requests: list[dict[str, Any]],
) -> None:
    """An answer that gave no SQL leaves its question alone."""
    messages: Any = [
        {"role": "system", "content": "revenue is quantity * price"},
        *ASKED,
        {"role": "assistant", "content": TEXT},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "in Rome?"}]},
        {"role": "assistant", "content": "I did not understand the question."},
        {"role": "user", "content": "In Paris?"},
    ]
    async with openai_stack() as (_, client, _url):
        await client.chat.completions.create(model=MODEL, messages=messages)
    assert requests == [
        {
            "question": "In Paris?",
            "database": "shop",
            "evidence": "revenue is quantity * price",
            "earlier": [
                {"question": "How many customers?", "sql": "SELECT 1 + 1"},
                {"question": "And\nin Rome?"},
            ],
        }
    ]


async def test_a_stream_begins_at_once_keeps_alive_and_ends_with_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The workflow runs meanwhile: no model call is over before the first comment has come."""
    monkeypatch.setattr(question_workflows, "KEEP_ALIVE_SECONDS", 0.001)
    async with openai_stack() as (api, client, url):
        api.worker.go.clear()
        body = {"model": MODEL, "messages": ASKED, "stream": True}
        async with (
            httpx.AsyncClient(trust_env=False) as plain,
            plain.stream("POST", f"{url}/chat/completions", json=body) as response,
        ):
            lines = response.aiter_lines()
            assert '"role":"assistant"' in await anext(lines)
            assert await anext(lines) == ""
            assert await anext(lines) == ": the workflow runs"
            api.worker.go.set()
            rest = [line async for line in lines]
        assert rest[-2] == "data: [DONE]"
        options: Any = {"include_usage": True}
        stream = await client.chat.completions.create(
            model=MODEL, messages=ASKED, stream=True, stream_options=options
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage and chunks[-1].usage.total_tokens) == ([], 6)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_the_workflow(stream: bool) -> None:
    """Its calls are aborted on the runtime."""
    async with openai_stack() as (api, client, _):
        api.worker.go.clear()

        async def ask() -> None:
            answer: Any = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=stream)
            async for _ in answer:
                pass

        asking = asyncio.create_task(ask())
        await reached(lambda: bool(api.worker.requests))
        asking.cancel()
        await reached(lambda: api.latest(1)[0].state == "cancelled")
        await reached(lambda: api.worker.aborted == [api.worker.requests[0].rid])


async def test_a_workflow_that_fails_is_an_error_in_openais_form() -> None:
    """In a stream too, which had begun."""
    async with openai_stack() as (api, client, _):
        api.text2sql.error = OverloadedError("too much waits")
        with pytest.raises(openai.RateLimitError, match="too much waits"):
            await client.chat.completions.create(model=MODEL, messages=ASKED)
        stream = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
        with pytest.raises(openai.APIError, match="too much waits"):
            async for _ in stream:
                pass


async def test_the_deadline_is_that_of_field_or_header() -> None:
    """And is firm then."""
    async with openai_stack() as (api, client, _):
        await client.chat.completions.create(
            model=MODEL, messages=ASKED, extra_body={"workflow": {"slo_seconds": 70}}
        )
        await client.chat.completions.create(
            model=MODEL, messages=ASKED, extra_headers={"x-sluice-slo-seconds": "80"}
        )
        await client.chat.completions.create(model=MODEL, messages=ASKED)
        specs = [record.spec for record in api.latest(3)]
    assert [(spec.slo_seconds, spec.firm) for spec in specs] == [(600.0, False), (80.0, True), (70.0, True)]


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"tools": [TOOL]}, "tools"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"regex": "a+"}, "regex"),
    ({"logprobs": True}, "logprobs"),
    ({"stop": ["x"]}, "stop"),
    ({"logit_bias": {"1": 1.0}}, "logit_bias"),
    ({"workflow": {"id": "mine"}}, "workflow.id"),
    ({"messages": [*ASKED, {"role": "assistant", "content": "x"}]}, "messages"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages"),
    ({"messages": [{"role": "user", "content": "x" * 10_001}]}, "messages"),
    ({"messages": [{"role": "system", "content": "x" * 10_001}, *ASKED]}, "messages"),
    ({"model": "sluice/bank"}, "model"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("body", "field"), REFUSED)
async def test_what_has_no_meaning_is_refused_by_name(body: dict[str, Any], field: str, stream: bool) -> None:
    """No workflow begins."""
    async with openai_stack() as (api, client, _):
        with pytest.raises(openai.APIStatusError) as caught:
            await _post(client, stream=stream, **body)
        assert caught.value.status_code in (400, 404)
        assert caught.value.body["param"] == field  # type: ignore[index]
        assert not api.latest(9)


async def test_what_clients_send_anyway_is_taken() -> None:
    """It has no effect: the workflow samples as its stages need."""
    anyway = {
        "temperature": 0.2,
        "max_tokens": 10,
        "top_p": 0.9,
        "seed": 1,
        "user": "me",
        "n": 1,
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "frequency_penalty": 0,
    }
    async with openai_stack() as (_, client, _url):
        answer = await client.chat.completions.create(model=MODEL, messages=ASKED, extra_body=anyway)
    assert answer.choices[0].message.content == TEXT


def _answers_no_chat(api: Api) -> None:
    class Kind:
        name = "own"
        request = WorkflowRequest

    object.__setattr__(api.app.state.services, "kind", Kind())


async def test_databases_are_listed_as_models() -> None:
    """Where the server's kind of workflow takes questions; completions don't know them."""
    async with openai_stack() as (api, client, _):
        listed = [model.id async for model in client.models.list()]
        assert listed == ["tiny", MODEL]
        assert (await client.models.retrieve(MODEL)).id == MODEL
        with pytest.raises(openai.NotFoundError, match="databases are: sluice/shop"):
            await client.models.retrieve("sluice/bank")
        with pytest.raises(openai.NotFoundError):
            await client.completions.create(model=MODEL, prompt="x")
        _answers_no_chat(api)
        assert [model.id async for model in client.models.list()] == ["tiny"]
        with pytest.raises(openai.NotFoundError, match="databases are: none"):
            await client.chat.completions.create(model=MODEL, messages=ASKED)
