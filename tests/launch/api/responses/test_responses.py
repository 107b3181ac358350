"""``/v1/responses`` through OpenAI's own client: whole answers, conversations, tools, errors."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.engine.sglang.tool_samples import LIST, RUN, SAID, TOOLS, WRITERS
from tests.launch.api.api_stack import Api
from tests.launch.api.openai.openai_stack import openai_stack, prompt
from tests.launch.api.openai.reading_worker import TEMPLATE, speaking

_KNOWN: Any = TOOLS
FUNCTIONS: Any = [{"type": "function"} | tool["function"] for tool in _KNOWN]


def calls_of(response: Any) -> list[tuple[str, Any]]:
    """Return the names and arguments of a response's calls."""
    calls = [item for item in response.output if item.type == "function_call"]
    return [(call.name, json.loads(call.arguments)) for call in calls]


async def test_a_text_is_answered() -> None:
    """With usage, our part, and the settings it was made with."""
    async with openai_stack() as (api, client, _):
        response = await client.responses.create(
            model="tiny", input="How many orders", instructions="Be brief", metadata={"a": "b"}, top_p=0.5
        )
        assert response.output_text == "SELECT 1 + 1"
        assert prompt(api) == "<|system|> Be brief <|end|> <|user|> How many orders <|end|> <|assistant|>"
        item: Any = response.output[0]
        assert (item.type, item.status) == ("message", "completed")
        assert response.status == "completed"
        assert (response.temperature, response.top_p, response.metadata) == (0.6, 0.5, {"a": "b"})
        assert response.usage is not None
        assert response.usage.input_tokens == 10
        assert response.usage.output_tokens == 3
        assert response.usage.total_tokens == 13
        assert response.usage.output_tokens_details.reasoning_tokens == 0
        assert (response.model_extra or {})["sluice"]["runtime"] == "r0"
        assert await client.responses.retrieve(response.id) == response
        counted = await client.responses.input_tokens.count(input="How many orders", instructions="Be brief")
        assert counted.input_tokens == 10


async def test_a_conversation_goes_on_from_the_response_before() -> None:
    """What was asked and answered comes first, old instructions don't; all are one workflow."""
    async with openai_stack() as (api, client, _):
        first = await client.responses.create(model="tiny", input="one", instructions="terse")
        second = await client.responses.create(model="tiny", input="two", previous_response_id=first.id)
        third = await client.responses.create(model="tiny", input="How", previous_response_id=second.id)
        turn = "<|user|> {} <|end|> <|assistant|> SELECT [UNK] [UNK] [UNK] <|end|> "
        assert (
            prompt(api, 2) == turn.format("one") + turn.format("two") + "<|user|> How <|end|> <|assistant|>"
        )
        assert third.previous_response_id == second.id
        assert len(api.latest(10)) == 1
        items = (await client.responses.input_items.list(third.id, order="asc", limit=3)).data
        assert [item.type for item in items] == ["message"] * 3
        pages = [item.id async for item in client.responses.input_items.list(third.id, limit=2)]
        assert len(pages) == len(set(pages)) == 5


async def test_pages_of_items_end_even_if_an_id_comes_twice() -> None:
    """A client may send any ids."""
    async with openai_stack() as (_, client, _):
        twice: Any = [{"id": "same", "role": "user", "content": text} for text in ("one", "two", "How")]
        response = await client.responses.create(model="tiny", input=twice)
        pages = [item async for item in client.responses.input_items.list(response.id, limit=1)]
        assert len(pages) <= 3


async def test_a_named_conversation_goes_on_by_itself() -> None:
    """An unknown one begins; its name and a response before it exclude each other."""
    async with openai_stack() as (api, client, _):
        asked: Any = {"model": "tiny", "conversation": "conv_1"}
        first = await client.responses.create(input="one", **asked)
        second = await client.responses.create(input="two", **asked)
        assert second.conversation is not None
        assert second.conversation.id == "conv_1"
        assert prompt(api, 1).count("<|assistant|>") == 2
        with pytest.raises(openai.BadRequestError) as raised:
            await client.responses.create(input="two", previous_response_id=first.id, **asked)
        assert raised.value.param == "conversation"
        other = client.with_options(api_key="another")
        await other.responses.create(input="How", **asked)
        assert prompt(api, 2).count("<|assistant|>") == 1, "it is another client's conversation"


async def test_what_is_not_stored_cannot_be_continued() -> None:
    """Nor what was deleted, or what comes after that; the error has OpenAI's code and a remedy."""
    async with openai_stack() as (_, client, _):
        unstored = await client.responses.create(model="tiny", input="one", store=False)
        first = await client.responses.create(model="tiny", input="one")
        second = await client.responses.create(model="tiny", input="two", previous_response_id=first.id)
        await client.responses.delete(first.id)
        for name in (unstored.id, first.id, second.id, "resp_unknown"):
            with pytest.raises(openai.BadRequestError) as raised:
                await client.responses.create(model="tiny", input="two", previous_response_id=name)
            assert raised.value.code == "previous_response_not_found"
            assert "send the whole conversation" in raised.value.message
        for name in (unstored.id, first.id):
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(name)
        with pytest.raises(openai.NotFoundError):
            await client.responses.delete(first.id)
        with pytest.raises(openai.BadRequestError, match="has ended"):
            await client.responses.cancel(second.id)


@pytest.mark.parametrize("family", ["hermes", "mistral"])
async def test_functions_are_called_and_their_results_are_taken(family: str) -> None:
    """The calls are items of their own; what came of them continues the conversation."""
    make = speaking(WRITERS[family]([RUN, LIST]), tool_call_parser=family)
    async with openai_stack(template=TEMPLATE, make_worker=make) as (api, client, _):
        asked: Any = {"model": "tiny", "tools": FUNCTIONS}
        response = await client.responses.create(input="How many orders", **asked)
        assert calls_of(response) == [RUN, LIST]
        assert response.output_text == (SAID if family == "hermes" else "")
        results: Any = [
            {"type": "function_call_output", "call_id": item.call_id, "output": "two"}
            for item in response.output
            if item.type == "function_call"
        ]
        await client.responses.create(input=results, previous_response_id=response.id, **asked)
        shown = prompt(api, 1)
        assert "SELECT" in shown, "what was called"
        assert shown.count("two") == 2
        # The same, sent back whole as agents that store nothing do.
        items: Any = [{"role": "user", "content": "How many orders"}, *response.output, *results]
        await client.responses.create(input=items, store=False, **asked)
        assert prompt(api, 2) == shown


@pytest.mark.parametrize(
    ("choice", "function", "names"),
    [
        ("required", "", ["list_tables", "run_sql"]),
        ({"type": "function", "name": "run_sql"}, "run_sql", ["run_sql"]),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "list_tables"}],
            },
            "",
            ["list_tables"],
        ),
    ],
)
async def test_a_call_can_be_required(choice: Any, function: str, names: list[str]) -> None:
    """Of any function, of one, or of some."""
    make = speaking('[{"name": "run_sql", "parameters": {"query": "x"}}]')
    async with openai_stack(template=TEMPLATE, make_worker=make) as (api, client, _):
        asked: Any = {"tools": FUNCTIONS, "tool_choice": choice, "parallel_tool_calls": False}
        response = await client.responses.create(model="tiny", input="How many orders", **asked)
        reading = api.worker.requests[0].reading
        assert reading is not None
        assert (reading.required, reading.function, reading.one) == (True, function, True)
        assert [tool["function"]["name"] for tool in reading.tools] == names
        assert response.model_dump()["tool_choice"] == choice
        assert not response.parallel_tool_calls


async def test_thinking_is_an_item_of_its_own() -> None:
    """As vLLM and SGLang have it; clients send it back as it came."""
    make = speaking("<think>one two</think>\n\nthree", tool_call_parser="hermes", reasoning_parser="qwen3")
    async with openai_stack(template=TEMPLATE, make_worker=make) as (_, client, _):
        response = await client.responses.create(model="tiny", input="How many orders")
        thought, said = response.output
        assert thought.type == "reasoning"
        assert thought.content is not None
        assert thought.content[0].text == "one two"
        assert said.type == "message"
        assert response.output_text == "three"
        again: Any = [
            {"role": "user", "content": "one"},
            *response.output,
            {"role": "user", "content": "two"},
        ]
        await client.responses.create(model="tiny", input=again)


async def test_effort_is_a_variable_of_the_template() -> None:
    """Agents send it always; it says whether the model thinks, unless the client says else."""
    template = "{{ reasoning_effort }} {{ enable_thinking }} {{ messages[0].content }}"
    async with openai_stack(template=template) as (api, client, _):
        api.app.state.services.encoder.tokenizer.add_tokens(["low", "none", "False", "True"])
        told: Any = {"model": "tiny", "input": "one"}
        off: Any = {"reasoning": {"effort": "none"}}
        on: Any = {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}
        await client.responses.create(reasoning={"effort": "low", "summary": "auto"}, **told)
        await client.responses.create(**told, **off)
        await client.responses.create(**told, **off, **on)
        asked: Any = [{"role": "user", "content": "one"}]
        await client.chat.completions.create(model="tiny", messages=asked, reasoning_effort="low")
        shown = [prompt(api, call).split() for call in range(4)]
        low, none, forced = ["low", "True", "one"], ["none", "False", "one"], ["none", "True", "one"]
        assert shown == [low, none, forced, low]


async def test_an_output_that_the_limit_cuts_is_incomplete() -> None:
    """With the reason; a limit beyond the context names its own field."""
    async with openai_stack(make_worker=speaking("one two", reason={"type": "length"})) as (_, client, _):
        response = await client.responses.create(model="tiny", input="one", max_output_tokens=2)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        with pytest.raises(openai.BadRequestError) as raised:
            await client.responses.create(model="tiny", input="one", max_output_tokens=10**6)
        assert raised.value.param == "max_output_tokens"
        assert raised.value.code == "context_length_exceeded"


class Total(BaseModel):
    """A form for the output."""

    total: int


async def test_the_text_has_a_form() -> None:
    """A schema binds the output; the client's own helper reads it."""
    make = speaking('{"total": 2}')
    async with openai_stack(make_worker=make) as (api, client, _):
        response = await client.responses.parse(model="tiny", input="How many orders", text_format=Total)
        assert response.output_parsed == Total(total=2)
        assert json.loads(api.worker.requests[0].sampling["json_schema"])["required"] == ["total"]
        assert response.text is not None
        assert response.text.format is not None
        assert response.text.format.type == "json_schema"


async def test_log_probabilities_stand_with_the_text() -> None:
    """Where they are included by name."""
    async with openai_stack(make_worker=speaking("SELECT 1")) as (_, client, _):
        response = await client.responses.create(
            model="tiny", input="one", include=["message.output_text.logprobs"], top_logprobs=1
        )
        (item,) = response.output
        assert item.type == "message"
        (part,) = item.content
        assert part.type == "output_text"
        assert part.logprobs is not None
        assert [token.logprob for token in part.logprobs] == [-0.5, -0.5]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input", "text only"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input", "send the item itself"),
    ({"input": [{"type": "computer_call"}]}, "input", "must be one of"),
    ({"input": []}, "input", "at least 1"),
    ({"input": ["one"]}, "input", "must be an object"),
    ({"input": 7}, "input", "a text or a list"),
    ({"background": True}, "background", "leave it out"),
    ({"truncation": "auto"}, "truncation", "shorter"),
    ({"prompt": {"id": "x"}}, "prompt", "send instructions"),
    ({"reasoning": {"effort": "odd"}}, "reasoning.effort", "should be"),
    ({"tools": [{"type": "web_search"}]}, "tools", "runs no tools of its own"),
    ({"tool_choice": "required"}, "tool_choice", "give tools"),
    ({"tools": FUNCTIONS, "tool_choice": {"type": "function", "name": "x"}}, "tool_choice", "none of the"),
    (
        {"tools": FUNCTIONS, "tool_choice": {"type": "allowed_tools", "tools": [{"name": "x"}]}},
        "tool_choice",
        "none of the",
    ),
    ({"tools": FUNCTIONS, "text": {"format": {"type": "json_object"}}}, "text.format", "call tools"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format", "schema must be given"),
    ({"text": {"verbosity": "high"}}, "verbosity", "instructions"),
    ({"include": ["file_search_call.results"]}, "include", "can't be included"),
    ({"top_logprobs": 2}, "top_logprobs", "include"),
    ({"unknown": 1}, "unknown", "unknown field"),
    ({"metadata": {"a": 1}}, "metadata", "string"),
    ({"min_tokens": 5, "max_output_tokens": 2}, "min_tokens", "over the limit"),
    ({"model": "other"}, "model", "does not exist"),
    ({"model": "sluice/nothing"}, "model", "does not exist"),
]


@pytest.mark.parametrize(("fields", "param", "text"), BAD, ids=[f"{n}-{bad[1]}" for n, bad in enumerate(BAD)])
async def test_what_cannot_be_done_is_refused_by_name(fields: dict[str, Any], param: str, text: str) -> None:
    """In OpenAI's form, with the remedy; nothing runs."""
    async with openai_stack(template=TEMPLATE) as (api, client, _):
        with pytest.raises(openai.APIStatusError) as raised:
            await client.post("/responses", body={"model": "tiny", "input": "one"} | fields, cast_to=object)
        assert raised.value.status_code in (400, 404)
        body: Any = raised.value.body
        assert body["param"].startswith(param)
        assert text in body["message"]
        assert not api.worker.requests


@pytest.mark.parametrize(
    "fields",
    [
        {"background": False, "truncation": "disabled", "service_tier": "auto", "max_tool_calls": 3},
        {"reasoning": {"effort": None}, "text": {"verbosity": "medium", "format": {"type": "text"}}},
        {"include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "user": "u", "tools": []},
        {"stream_options": {"include_obfuscation": False}, "instructions": None, "temperature": None},
    ],
)
async def test_what_asks_for_nothing_is_taken(fields: dict[str, Any]) -> None:
    """Clients send their defaults."""
    async with openai_stack() as (_, client, _):
        await client.post("/responses", body={"model": "tiny", "input": "one"} | fields, cast_to=object)


def workflows(api: Api) -> list[str]:
    """Return the names of the workflows so far."""
    return [record.spec.workflow_id for record in api.latest(10)]


async def test_whose_a_response_is_may_be_said_as_for_chats() -> None:
    """Headers and fields come before the response that is continued."""
    async with openai_stack() as (api, client, _):
        told: Any = {"extra_headers": {"x-claude-code-session-id": "mine"}}
        first = await client.responses.create(model="tiny", input="one", **told)
        await client.responses.create(model="tiny", input="two", previous_response_id=first.id)
        assert workflows(api) == ["mine"]


async def test_counting_tokens_has_its_own_methods() -> None:
    """Its path names no response."""
    async with openai_stack() as (api, _, _):
        wrong = await api.client.get("/v1/responses/input_tokens")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        shown = await api.client.put("/v1/responses/resp_x")
        assert (shown.status_code, shown.headers["allow"]) == (405, "DELETE, GET")
