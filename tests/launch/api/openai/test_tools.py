"""Tools on ``/v1/chat/completions`` through OpenAI's own client, read by SGLang's own parsers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from engine.wire.chat_output import JSON_FORMAT, Reading
from tests.engine.sglang.tool_samples import LIST, RUN, SAID, SILENT, TOOLS, WRITERS
from tests.launch.api.api_stack import Api
from tests.launch.api.openai.openai_stack import QUESTION, openai_app, openai_stack, prompt
from tests.launch.api.openai.reading_worker import TEMPLATE, speaking

FAMILIES = [name for name in WRITERS if name != JSON_FORMAT]
NAMED: Any = {"type": "function", "function": {"name": "run_sql"}}
TOOL_FIELDS: Any = {"tools": TOOLS}


def reading_of(api: Api, call: int = 0) -> Reading:
    """Return how an output was to be read."""
    reading = api.worker.requests[call].reading
    assert reading is not None
    return reading


def calls_of(found: Any) -> list[tuple[str, Any]]:
    """Return the names and arguments of an answer's calls."""
    return [(call.function.name, json.loads(call.function.arguments)) for call in found]


@pytest.mark.parametrize("family", FAMILIES)
async def test_an_answer_has_the_calls_of_every_family(family: str) -> None:
    """Names, arguments and ids; no content where nothing else was said; the reason."""
    make = speaking(WRITERS[family]([RUN, LIST]), tool_call_parser=family)
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        answer = await client.chat.completions.create(model="tiny", messages=QUESTION, **TOOL_FIELDS)
        (choice,) = answer.choices
        calls = choice.message.tool_calls
        assert calls is not None
        assert calls_of(calls) == [RUN, LIST]
        assert len({call.id for call in calls}) == 2
        assert {call.type for call in calls} == {"function"}
        assert choice.message.content == (None if family in SILENT else SAID)
        assert choice.finish_reason == "tool_calls"
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 20


async def streamed_calls(stream: Any) -> tuple[list[ChatCompletionChunk], list[list[Any]]]:
    """Return a stream's chunks, and the deltas of each call."""
    chunks: list[ChatCompletionChunk] = [chunk async for chunk in stream]
    deltas: dict[int, list[Any]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for delta in choice.delta.tool_calls or []:
                deltas.setdefault(delta.index, []).append(delta)
    assert sorted(deltas) == list(range(len(deltas)))
    return chunks, [deltas[index] for index in sorted(deltas)]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_stream_has_the_calls_of_every_family(family: str, size: int) -> None:
    """First id, type and name, then pieces of the arguments, whatever the size of the tokens."""
    make = speaking(WRITERS[family]([RUN, LIST]), size, tool_call_parser=family)
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        stream = await client.chat.completions.create(
            model="tiny", messages=QUESTION, stream=True, **TOOL_FIELDS
        )
        chunks, calls = await streamed_calls(stream)
        for (name, arguments), (first, *others) in zip([RUN, LIST], calls, strict=True):
            assert (first.type, first.function.name) == ("function", name)
            assert first.id
            assert all((other.id, other.type, other.function.name) == (None,) * 3 for other in others)
            pieces = [delta.function.arguments for delta in (first, *others)]
            assert json.loads("".join(pieces)) == arguments
        content = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert content == ("" if family in SILENT else SAID)
        assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [
            "tool_calls"
        ]


async def test_choices_logprobs_and_usage_work_as_ever() -> None:
    """Each choice has its calls; a stream has each token's log probability once."""
    text = WRITERS["hermes"]([RUN])
    make = speaking(text, tool_call_parser="hermes")
    options: Any = TOOL_FIELDS | {"model": "tiny", "messages": QUESTION, "n": 2, "logprobs": True}
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        answer = await client.chat.completions.create(**options)
        stream = await client.chat.completions.create(
            stream=True, stream_options={"include_usage": True}, **options
        )
        chunks = [chunk async for chunk in stream]
        assert [calls_of(choice.message.tool_calls) for choice in answer.choices] == [[RUN], [RUN]]
        assert chunks[-1].usage == answer.usage
        for index, choice in enumerate(answer.choices):
            assert choice.logprobs is not None
            parts = [c.logprobs for chunk in chunks for c in chunk.choices if c.index == index and c.logprobs]
            tokens = [token for part in parts for token in part.content or []]
            assert tokens == choice.logprobs.content
            assert len(tokens) == -(-len(text) // 4)


async def test_the_template_is_given_the_tools_that_may_be_called() -> None:
    """All, the named one, or none; so is the worker."""
    make = speaking("no call", tool_call_parser="hermes")
    asked: list[tuple[Any, list[str], bool]] = [
        ("auto", ["list_tables", "run_sql"], False),
        ("required", ["list_tables", "run_sql"], True),
        (NAMED, ["run_sql"], True),
        ("none", [], False),
    ]
    async with openai_app(template=TEMPLATE, make_worker=make) as api:
        for call, (choice, names, required) in enumerate(asked):
            body = {"messages": QUESTION, "tools": TOOLS, "tool_choice": choice}
            response = await api.client.post("/v1/chat/completions", json=body)
            message = response.json()["choices"][0]["message"]
            assert message == {"role": "assistant", "content": "no call", "refusal": None}
            reading = reading_of(api, call)
            assert [tool["function"]["name"] for tool in reading.tools] == names
            assert (reading.required, reading.call_format) == (required, "")
            assert prompt(api, call).count("[UNK]") == len(names)  # they stand before the messages


async def test_a_model_whose_template_knows_no_tools_is_told_of_them() -> None:
    """In a text, in the format of Hermes; where it must call one, as a list to which a grammar binds it."""
    make = speaking(WRITERS["hermes"]([RUN]))
    body: Any = {"messages": QUESTION, "tools": TOOLS}
    async with openai_app(make_worker=make) as api:
        answer = (await api.client.post("/v1/chat/completions", json=body)).json()
        (call,) = answer["choices"][0]["message"]["tool_calls"]
        assert call["function"]["name"] == "run_sql"
        assert reading_of(api).call_format == "hermes"
        assert len(prompt(api).split()) > 100
        worker: Any = api.worker
        worker.text = WRITERS[JSON_FORMAT]([LIST])
        answer = (
            await api.client.post("/v1/chat/completions", json=body | {"tool_choice": "required"})
        ).json()
        (call,) = answer["choices"][0]["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == LIST[1]
        assert answer["choices"][0]["message"]["content"] is None
        assert (reading_of(api, 1).call_format, reading_of(api, 1).required) == (JSON_FORMAT, True)


async def test_an_unknown_format_is_refused_unless_a_grammar_binds_the_call() -> None:
    """The message says how to name it."""
    make = speaking(WRITERS[JSON_FORMAT]([RUN]))
    body: Any = {"messages": QUESTION, "tools": TOOLS}
    async with openai_app(template=TEMPLATE, make_worker=make) as api:
        refused = await api.client.post("/v1/chat/completions", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "tools"
        assert "--tool-call-parser" in refused.json()["error"]["message"]
        answer = await api.client.post("/v1/chat/completions", json=body | {"tool_choice": NAMED})
        assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_conversation_goes_on_after_its_calls() -> None:
    """The answer is sent back as it came, with results as text or parts; the calls so far are counted."""
    make = speaking(WRITERS["hermes"]([RUN]), tool_call_parser="hermes")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (api, client, _):
        options: Any = {"model": "tiny"} | TOOL_FIELDS
        answer = await client.chat.completions.create(messages=QUESTION, **options)
        message = answer.choices[0].message
        assert message.tool_calls is not None
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id}
        history: Any = [
            *QUESTION,
            message,
            result | {"content": "one"},
            result | {"content": [{"type": "text", "text": "two"}], "tool_call_id": "unknown"},
            message.model_dump(),
            {"role": "tool", "content": "orders"},
        ]
        await client.chat.completions.create(messages=history, **options)
        assert "many orders <|end|> <|assistant|>" in prompt(api, 1)
        assert "SELECT" in prompt(api, 1)  # of the arguments, which the template takes apart
        assert reading_of(api, 1).earlier_calls == 2


async def test_thinking_stands_apart() -> None:
    """As SGLang's reasoning_content, whole and streamed."""
    make = speaking("<think>one two</think>\n\nthree", tool_call_parser="hermes", reasoning_parser="qwen3")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        options: Any = {"model": "tiny", "messages": QUESTION}
        answer = await client.chat.completions.create(**options)
        assert answer.choices[0].message.content == "three"
        assert answer.choices[0].message.model_extra == {"reasoning_content": "one two"}
        assert answer.choices[0].finish_reason == "stop"
        stream = await client.chat.completions.create(stream=True, **options)
        deltas = [chunk.choices[0].delta async for chunk in stream]
        assert "".join(delta.content or "" for delta in deltas) == "three"
        thought = [(delta.model_extra or {}).get("reasoning_content", "") for delta in deltas]
        assert "".join(thought) == "one two"
        assert len([part for part in thought if part]) > 1
        kept = await client.chat.completions.create(extra_body={"separate_reasoning": False}, **options)
        assert kept.choices[0].message.content == "<think>one two</think>\n\nthree"
