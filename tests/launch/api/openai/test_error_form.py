"""Errors of OpenAI's routes: refused by name, in OpenAI's form, as the client's own exceptions."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from sched.errors import Failure
from tests.launch.api.api_fakes import CONTEXT_LENGTH
from tests.launch.api.api_stack import events, words
from tests.launch.api.openai.openai_stack import QUESTION, openai_app, openai_stack
from tests.waiting import reached

SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}

BAD_CHATS: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content"),
    ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages.0"),
    ({"messages": [*QUESTION, {"role": "assistant", "function_call": {"name": "f"}}]}, "messages.1"),
    (
        {"messages": [*QUESTION, {"role": "assistant", "tool_calls": [{"id": "1"}]}]},
        "messages.1.tool_calls.0.function",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages.0.content",
    ),
    ({"messages": [{"role": "user", "content": "x", "mood": "bad"}]}, "messages.0.mood"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools.0.type"),
    ({"tools": [{"type": "function", "function": {"parameters": {}}}]}, "tools.0.function.name"),
    ({"tools": [TOOL] * 513}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"function": {"name": "g"}}}, "tool_choice"),
    ({"tools": [TOOL], "response_format": SCHEMA}, "response_format"),
    ({"tools": [TOOL], "regex": "a"}, "regex"),
    ({"functions": [{}]}, "functions"),
    ({"modalities": ["audio"]}, "modalities"),
    ({"reasoning_effort": "odd"}, "reasoning_effort"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"store": True}, "store"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"lora_path": "adapter"}, "lora_path"),
    ({"return_hidden_states": True}, "return_hidden_states"),
    ({"input_ids": [1]}, "input_ids"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"temprature": 1}, "temprature"),
    ({"temperature": -1}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 3, "min_tokens": 4}, "min_tokens"),
    ({"max_tokens": CONTEXT_LENGTH}, "max_tokens"),
    ({"stop": 3}, "stop"),
    ({"logprobs": 1}, "logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
    ({"response_format": SCHEMA, "regex": "a"}, "response_format"),
    ({"regex": "a", "ebnf": "root ::= a"}, "json_schema"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"continue_final_message": True}, "messages"),
    ({"workflow": {"siblings": 2}}, "workflow.id"),
    ({"program_id": ""}, "program_id"),
    ({"session_id": ""}, "session_id"),
]
BAD_COMPLETIONS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": "  "}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"prompt": [[]]}, "prompt"),
    ({"prompt": ["a", [1]]}, "prompt"),
    ({"prompt": [1, "a"]}, "prompt"),
    ({"prompt": [1, -1]}, "prompt"),
    ({"prompt": [2**31]}, "prompt"),
    ({"prompt": [True]}, "prompt"),
    ({"prompt": ["a"] * 9, "n": 128}, "prompt"),
    ({"prompt": words(CONTEXT_LENGTH)}, "prompt"),
    ({"echo": True}, "echo"),
    ({"suffix": "x"}, "suffix"),
    ({"best_of": 2}, "best_of"),
    ({"logprobs": 21}, "logprobs"),
    ({"logprobs": True}, "logprobs"),
]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [("chat/completions", {"messages": QUESTION} | body, param) for body, param in BAD_CHATS]
    + [("completions", {"prompt": "one"} | body, param) for body, param in BAD_COMPLETIONS],
)
async def test_bad_input_names_the_parameter(path: str, body: dict[str, Any], param: str) -> None:
    """Nothing wrong or unsupported is ignored or queued: 400, in OpenAI's form, with the name."""
    async with openai_app() as api:
        response = await api.client.post(f"/v1/{path}", json=body)
        assert response.status_code == 400, response.text
        error = response.json()["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
        assert error["message"]
        assert set(error) == {"message", "type", "param", "code"}
        assert not api.worker.requests
        assert not api.latest(1)


@pytest.mark.parametrize(
    ("failure", "kind", "type_"),
    [
        (Failure("invalid_request", "bad grammar"), openai.BadRequestError, "invalid_request_error"),
        (Failure("overloaded", "full"), openai.RateLimitError, "rate_limit_error"),
        (Failure("timeout", "late"), openai.InternalServerError, "timeout_error"),
        (Failure("cancelled", "gone"), openai.APIStatusError, "cancelled_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_failures_are_the_clients_own_exceptions(
    failure: Failure, kind: type[openai.APIStatusError], type_: str, stream: bool
) -> None:
    """What fails before the first token has its own status, streamed or not."""
    async with openai_stack() as (api, client, _):
        api.worker.failure = failure
        with pytest.raises(kind, match=failure.message) as raised:
            await client.chat.completions.create(model="tiny", messages=QUESTION, stream=stream)
        assert (raised.value.type, raised.value.code) == (type_, failure.code)


async def test_overload_and_unavailability_say_when_to_try_again() -> None:
    """429 and 503 carry Retry-After, by which OpenAI's client waits."""
    async with openai_stack(up=0) as (_, client, _):
        with pytest.raises(openai.InternalServerError) as raised:
            await client.completions.create(model="tiny", prompt="one")
        assert (raised.value.status_code, raised.value.type) == (503, "service_unavailable_error")
        assert int(raised.value.response.headers["retry-after"]) >= 1
    async with openai_stack(max_waiting_calls=1, window_tokens=1) as (api, client, _):
        api.worker.go.clear()
        asking = asyncio.create_task(client.completions.create(model="tiny", prompt="one"))
        await reached(lambda: bool(api.worker.requests))
        with pytest.raises(openai.RateLimitError) as refused:
            await client.completions.create(model="tiny", prompt="one", n=8)
        assert int(refused.value.response.headers["retry-after"]) >= 1
        api.worker.go.set()
        assert (await asking).choices[0].text == "SELECT 1 + 1"


async def test_a_failure_in_the_middle_of_a_stream_is_raised_there() -> None:
    """The client has seen output, then its own exception; the bytes end with [DONE]."""
    async with openai_stack() as (api, client, _):
        api.worker.failure, api.worker.fails_late = Failure("runtime_failure", "out of memory"), True
        stream = await client.chat.completions.create(model="tiny", messages=QUESTION, stream=True)
        role, text = await anext(stream), await anext(stream)
        assert (role.choices[0].delta.content, text.choices[0].delta.content) == ("", "SELECT")
        with pytest.raises(openai.APIError, match="out of memory") as raised:
            await anext(stream)
        assert raised.value.code == "runtime_failure"
        response = await api.client.post("/v1/completions", json={"prompt": "one", "stream": True})
        assert events(response.text)[-1][1] == "[DONE]"


async def test_another_model_is_404() -> None:
    """By the code that OpenAI's clients know."""
    async with openai_stack() as (_, client, _):
        for asking in (
            client.chat.completions.create(model="gpt-4o", messages=QUESTION),
            client.completions.create(model="gpt-4o", prompt="one"),
        ):
            with pytest.raises(openai.NotFoundError, match="'tiny'") as raised:
                await asking
            assert raised.value.code == "model_not_found"


async def test_a_prompt_over_the_context_has_openais_code() -> None:
    """Agents shorten their history when they see it."""
    async with openai_stack() as (_, client, _):
        messages: Any = [{"role": "user", "content": words(CONTEXT_LENGTH)}]
        with pytest.raises(openai.BadRequestError) as raised:
            await client.chat.completions.create(model="tiny", messages=messages)
        assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "messages")


async def test_a_model_without_chat_template_refuses_chats_only() -> None:
    """With the remedy; completions need none."""
    async with openai_stack(template=None) as (_, client, _):
        with pytest.raises(openai.BadRequestError, match=r"chat_template\.jinja"):
            await client.chat.completions.create(model="tiny", messages=QUESTION)
        assert (await client.completions.create(model="tiny", prompt="one")).choices


async def test_broken_and_huge_bodies_are_refused_in_openais_form() -> None:
    """Whatever goes wrong before the route is reached."""
    async with openai_app(max_body_bytes=1000) as api:
        broken = await api.client.post("/v1/completions", content=b"{")
        assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")
        huge = await api.client.post("/v1/completions", json={"prompt": "x" * 1000})
        assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too_large")


async def test_a_rid_in_use_is_refused_and_choices_can_be_aborted_by_theirs() -> None:
    """As with /generate."""
    async with openai_stack() as (api, client, _):
        api.worker.go.clear()
        options: Any = {"model": "tiny", "prompt": "one", "n": 2, "extra_body": {"rid": "mine"}}
        asking = asyncio.create_task(client.completions.create(**options))
        await reached(lambda: len(api.worker.requests) == 2)
        with pytest.raises(openai.ConflictError) as refused:
            await client.completions.create(**options)
        assert refused.value.param == "rid"
        aborted = await api.client.post("/abort_request", json={"rid": "mine_1"})
        assert aborted.json()["found"] is True
        with pytest.raises(openai.APIStatusError) as raised:
            await asking
        assert raised.value.status_code == 499
        await reached(lambda: len(api.worker.aborted) == 2)
