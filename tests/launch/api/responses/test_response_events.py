"""``/v1/responses`` as a stream of events, read by OpenAI's own client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from engine.wire.chat_output import MessagePart, ToolCallPart
from launch.api.responses.output_items import OutputItems
from sched.errors import Failure
from tests.engine.sglang.tool_samples import LIST, RUN, SAID, TOOLS, WRITERS
from tests.launch.api.openai.openai_stack import openai_stack
from tests.launch.api.openai.reading_worker import TEMPLATE, speaking

_KNOWN: Any = TOOLS
FUNCTIONS: Any = [{"type": "function"} | tool["function"] for tool in _KNOWN]


async def events_of(client: openai.AsyncOpenAI, **fields: Any) -> list[Any]:
    """Return the events of a stream; they are numbered from 0."""
    create: Any = client.responses.create
    stream = await create(**{"model": "tiny", "input": "one", "stream": True} | fields)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events


def kinds(events: list[Any]) -> list[str]:
    """Return the types of events, each once where they repeat."""
    found = [event.type.removeprefix("response.") for event in events]
    return [kind for n, kind in enumerate(found) if n == 0 or found[n - 1] != kind]


async def test_a_text_comes_in_parts() -> None:
    """In OpenAI's order; the last event has the whole response, which is stored."""
    async with openai_stack() as (_, client, _):
        events = await events_of(client)
        assert kinds(events) == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        whole = events[-1].response
        assert "".join(event.delta for event in events if event.type.endswith("text.delta")) == "SELECT 1 + 1"
        assert whole.output_text == "SELECT 1 + 1"
        assert whole.usage.output_tokens == 3
        assert events[0].response.status == "in_progress"
        assert await client.responses.retrieve(whole.id) == whole


async def test_the_clients_own_helper_puts_the_parts_together() -> None:
    """Text and calls."""
    make = speaking(WRITERS["hermes"]([RUN, LIST]), tool_call_parser="hermes")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        async with client.responses.stream(model="tiny", input="one", tools=FUNCTIONS) as stream:
            response = await stream.get_final_response()
        said, *calls = response.output
        assert said.type == "message"
        assert response.output_text.strip() == SAID
        found = [(call.name, json.loads(call.arguments)) for call in calls if call.type == "function_call"]
        assert found == [RUN, LIST]


async def test_the_arguments_of_calls_come_in_parts() -> None:
    """Each call is an item, whose parts name it."""
    make = speaking(WRITERS["hermes"]([RUN, LIST]), tool_call_parser="hermes")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        events = await events_of(client, tools=FUNCTIONS)
        done = [event for event in events if event.type == "response.function_call_arguments.done"]
        assert [(event.name, json.loads(event.arguments)) for event in done] == [RUN, LIST]
        for event in done:
            parts = [part for part in events if getattr(part, "item_id", None) == event.item_id]
            deltas = [part.delta for part in parts if part.type.endswith("arguments.delta")]
            assert len(deltas) > 1
            assert "".join(deltas) == event.arguments
            assert {part.output_index for part in parts} == {event.output_index}


async def test_thinking_comes_before_the_text() -> None:
    """As parts of an item of its own."""
    make = speaking("<think>one two</think>\n\nthree", tool_call_parser="hermes", reasoning_parser="qwen3")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        events = await events_of(client)
        order = [kind for kind in kinds(events) if kind.endswith(".delta")]
        assert order == ["reasoning_text.delta", "output_text.delta"]
        assert [item.type for item in events[-1].response.output] == ["reasoning", "message"]


async def test_a_cut_output_ends_as_incomplete() -> None:
    """So does its last item."""
    async with openai_stack(make_worker=speaking("one two", reason={"type": "length"})) as (_, client, _):
        events = await events_of(client)
        assert events[-1].type == "response.incomplete"
        assert events[-1].response.output[-1].status == "incomplete"


async def test_a_failure_after_the_first_part_is_an_event() -> None:
    """The response failed, and isn't kept; before the first part it has a status of its own."""
    failure = Failure("runtime_failure", "the runtime broke")
    async with openai_stack() as (api, client, _):
        for worker in api.workers:
            worker.failure, worker.fails_late = failure, True
        events = await events_of(client)
        assert events[-1].type == "response.failed"
        assert "broke" in events[-1].response.error.message
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(events[-1].response.id)
        for worker in api.workers:
            worker.fails_late = False
        with pytest.raises(openai.APIStatusError) as raised:
            await events_of(client)
        assert raised.value.status_code == 502


def test_items_follow_what_comes() -> None:
    """Text after calls is another item, an argument's part belongs to its call, nothing is an empty text."""
    output = OutputItems()
    parts = [
        MessagePart(content="a"),
        MessagePart(calls=[ToolCallPart(index=0, call_id="c0", name="f")]),
        MessagePart(calls=[ToolCallPart(index=0, arguments="{}")]),
        MessagePart(calls=[ToolCallPart(index=1, call_id="c1", name="g", arguments="{}")]),
        MessagePart(content="b"),
    ]
    events = [event for part in parts for event in output.take(part)] + list(output.end("completed"))
    assert [item["type"] for item in output.items] == ["message", "function_call", "function_call", "message"]
    assert [item.get("arguments") for item in output.items] == [None, "{}", "{}", None]
    ends = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert ends == output.items
    nothing = OutputItems()
    assert next(event["type"] for event in list(nothing.end("completed"))) == "response.output_item.added"
    assert nothing.items[0]["content"][0]["text"] == ""


def test_log_probabilities_stand_with_text_only() -> None:
    """They split neither thinking nor calls; those of a token whose text comes later wait for it."""
    output = OutputItems()
    parts = [
        MessagePart(reasoning="a"),
        MessagePart(reasoning="b"),
        MessagePart(),
        MessagePart(content="c"),
        MessagePart(),
        MessagePart(calls=[ToolCallPart(index=0, call_id="c0", name="f", arguments="{")]),
        MessagePart(calls=[ToolCallPart(index=0, arguments="}")]),
    ]
    for n, part in enumerate(parts):
        list(output.take(part, [{"token": str(n)}]))
    list(output.end("completed"))
    thinking, message, call = output.items
    assert thinking["content"][0]["text"] == "ab"
    assert [token["token"] for token in message["content"][0]["logprobs"]] == ["2", "3"]
    assert (call["call_id"], call["arguments"]) == ("c0", "{}")


def test_log_probabilities_of_the_last_tokens_end_the_text() -> None:
    """Also where there is no text at all."""
    for text in ("a", ""):
        output = OutputItems()
        list(output.take(MessagePart(content=text)))
        list(output.take(MessagePart(), [{"token": "end"}]))
        list(output.end("completed"))
        (message,) = output.items
        (part,) = message["content"]
        assert (part["text"], part["logprobs"]) == (text, [{"token": "end"}])


async def test_calls_are_whole_beside_log_probabilities() -> None:
    """As without them."""
    make = speaking(WRITERS["hermes"]([RUN, LIST]), tool_call_parser="hermes")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        events = await events_of(client, tools=FUNCTIONS, include=["message.output_text.logprobs"])
        said, *calls = events[-1].response.output
        assert said.type == "message"
        assert said.content[0].logprobs
        assert [(call.name, json.loads(call.arguments)) for call in calls] == [RUN, LIST]
        assert all(call.call_id for call in calls)
