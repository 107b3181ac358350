"""``/v1/chat/completions`` through OpenAI's own client."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import openai
import pytest

from sched.errors import Failure
from tests.launch.api.api_stack import events
from tests.launch.api.openai.openai_stack import QUESTION, chunks, openai_app, openai_stack, prompt
from tests.waiting import reached

SYSTEM: Any = {"role": "system", "content": "Be brief"}


async def test_an_answer_is_openais_and_says_what_the_scheduler_did() -> None:
    """Message, reason, usage with cached tokens, and our part under sluice."""
    async with openai_stack() as (api, client, _):
        answer = await client.chat.completions.create(model="tiny", messages=[SYSTEM, *QUESTION])
        (choice,) = answer.choices
        assert (answer.object, answer.model) == ("chat.completion", "tiny")
        assert answer.id.startswith("chatcmpl-")
        assert answer._request_id == answer.id
        assert (choice.message.role, choice.message.content) == ("assistant", "SELECT 1 + 1")
        assert (choice.finish_reason, choice.index, choice.logprobs) == ("stop", 0, None)
        assert answer.usage is not None
        assert answer.usage.model_dump(exclude_none=True) == {
            "prompt_tokens": 10,
            "completion_tokens": 3,
            "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 2},
        }
        assert choice.model_extra is not None
        assert choice.model_extra["sluice"]["runtime"] == "r0"
        assert choice.model_extra["matched_stop"] == 2
        assert prompt(api) == "<|system|> Be brief <|end|> <|user|> How many orders <|end|> <|assistant|>"


def test_the_synchronous_client_works_too() -> None:
    """Over the same port, from another thread."""

    async def run() -> str | None:
        async with openai_stack() as (_, _, url):

            def ask() -> str | None:
                http = httpx.Client(trust_env=False, verify=False)
                with openai.OpenAI(base_url=url, api_key="any", max_retries=0, http_client=http) as client:
                    models = [model.id for model in client.models.list()]
                    stream = client.chat.completions.create(model=models[0], messages=QUESTION, stream=True)
                    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

            return await asyncio.to_thread(ask)

    assert asyncio.run(run()) == "SELECT 1 + 1"


async def test_a_stream_begins_with_the_role_and_ends_with_reason_and_usage() -> None:
    """Deltas between them; the usage comes last, without a choice, and only if asked for."""
    async with openai_stack() as (_, client, _):
        first, *parts, end, usage = await chunks(client, stream_options={"include_usage": True})
        assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
        assert [part.choices[0].delta.content for part in parts] == ["SELECT", " 1", " + 1"]
        assert all(part.choices[0].delta.role is None and part.usage is None for part in parts)
        assert (end.choices[0].finish_reason, end.choices[0].delta.content) == ("stop", None)
        assert usage.choices == []
        assert usage.usage is not None
        assert (usage.usage.total_tokens, usage.object) == (9, "chat.completion.chunk")
        assert len({chunk.id for chunk in (first, *parts, end, usage)}) == 1
        assert [chunk.usage for chunk in await chunks(client)] == [None] * 5


async def test_each_part_of_a_stream_can_tell_the_usage_so_far() -> None:
    """Of its choice, in tokens; the usage of all still comes last, if it is asked for."""
    async with openai_stack() as (_, client, _):
        options: Any = {"stream_options": {"continuous_usage_stats": True}, "n": 2}
        parts = await chunks(client, **options)
        told: dict[int, list[tuple[int, int, int]]] = {}
        for part in parts:
            assert part.usage is not None
            counts = part.usage.prompt_tokens, part.usage.completion_tokens, part.usage.total_tokens
            told.setdefault(part.choices[0].index, []).append(counts)
        so_far = [(6, 0, 6), (6, 1, 7), (6, 2, 8), (6, 3, 9), (6, 3, 9)]
        assert told == {0: so_far, 1: so_far}
        options["stream_options"]["include_usage"] = True
        last = (await chunks(client, **options))[-1]
        assert last.usage is not None
        assert (last.choices, last.usage.completion_tokens) == ([], 6)


async def test_a_stream_is_openais_byte_by_byte() -> None:
    """Events without names, usage null where it will come, and [DONE] at the end."""
    async with openai_app() as api:
        body = {"messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}}
        response = await api.client.post("/v1/chat/completions", json=body)
        assert response.headers["content-type"].startswith("text/event-stream")
        names, data = zip(*events(response.text), strict=True)
        assert set(names) == {"message"}
        assert data[-1] == "[DONE]"
        assert [chunk["usage"] is None for chunk in data[:-1]] == [True] * 5 + [False]


async def test_choices_are_siblings_of_one_join() -> None:
    """They are sent side by side; the workflow ends with the last; the prompt counts once."""
    async with openai_stack(runtimes=("r0", "r1")) as (api, client, _):
        for worker in api.workers:
            worker.stalls = True
            worker.go.clear()
        asking = asyncio.create_task(client.chat.completions.create(model="tiny", messages=QUESTION, n=3))
        await reached(lambda: sum(len(worker.requests) for worker in api.workers) == 3)
        record = api.latest(1)[0]
        (join,) = api.dispatcher.book.workflows[record.spec.workflow_id].joins.values()
        assert (join.size, join.left, record.seconds) == (3, 3, None)
        for worker in api.workers:
            worker.go.set()
        answer = await asking
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 9)
        assert sorted(entry.branch or 0 for entry in record.entries) == [0, 1, 2]
        assert (record.state, len(api.latest(9))) == ("finished", 1)


async def test_streamed_choices_come_as_they_are_made() -> None:
    """A choice on a slow runtime holds the others up no longer than the last chunk."""
    async with openai_stack(runtimes=("r0", "r1")) as (api, client, _):
        slow, fast = api.workers
        slow.go.clear()
        stream = await client.chat.completions.create(model="tiny", messages=QUESTION, stream=True, n=2)
        seen = []
        async for chunk in stream:
            seen.append(chunk.choices[0])
            if chunk.choices[0].finish_reason:
                slow.go.set()
        assert (len(slow.requests), len(fast.requests)) == (1, 1)
        texts = {i: "".join(c.delta.content or "" for c in seen if c.index == i) for i in (0, 1)}
        assert set(texts.values()) == {"SELECT 1 + 1"}
        ends = [i for i, choice in enumerate(seen) if choice.finish_reason]
        assert len(ends) == 2
        assert any(choice.delta.content for choice in seen[ends[0] + 1 :])


async def test_if_one_choice_fails_the_others_are_aborted() -> None:
    """The request has one outcome: the failure; nothing goes on running for it."""
    async with openai_stack(runtimes=("r0", "r1")) as (api, client, _):
        bad, good = api.workers
        good.go.clear()
        bad.failure = Failure("invalid_request", "no such grammar")
        with pytest.raises(openai.BadRequestError, match="no such grammar"):
            await client.chat.completions.create(model="tiny", messages=QUESTION, n=2)
        await reached(lambda: len(good.aborted) == len(good.requests) == 1)
        record = api.latest(1)[0]
        assert (record.state, record.failure and record.failure.message) == ("failed", "no such grammar")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_has_its_choices_aborted(stream: bool) -> None:
    """All of them, on every runtime."""
    async with openai_stack(runtimes=("r0", "r1")) as (api, client, _):
        for worker in api.workers:
            worker.go.clear()
        answer = client.chat.completions.create(model="tiny", messages=QUESTION, n=4, stream=stream)
        asking = asyncio.create_task(answer)
        await reached(lambda: sum(len(worker.requests) for worker in api.workers) == 4)
        if stream:
            await cast(openai.AsyncStream[Any], await asking).close()
        asking.cancel()
        await reached(lambda: sum(len(worker.aborted) for worker in api.workers) == 4)
        await reached(lambda: not api.controller.calls_in_flight)


async def test_what_the_last_chunk_left_out_comes_with_the_end() -> None:
    """A stream's text is the whole text, even where a runtime only completes it when it ends."""
    async with openai_stack() as (api, client, _):
        api.worker.held_back = "!"
        got = await chunks(client)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in got) == "SELECT 1 + 1!"


async def test_messages_take_parts_names_and_earlier_answers() -> None:
    """Text parts are joined; what a client sends back of an answer is no obstacle."""
    async with openai_stack() as (api, client, _):
        first = await client.chat.completions.create(model="tiny", messages=QUESTION)
        parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
        messages = [*QUESTION, first.choices[0].message.model_dump(), {"role": "user", "content": parts}]
        await client.chat.completions.create(model="tiny", messages=messages)
        assert prompt(api, 1).endswith("<|user|> one two <|end|> <|assistant|>")
        await client.chat.completions.create(
            model="tiny",
            messages=messages[:2],
            extra_body={"continue_final_message": True, "chat_template_kwargs": {"style": "terse"}},
        )
        assert (
            prompt(api, 2) == "<|user|> How many orders <|end|> terse <|assistant|> SELECT [UNK] [UNK] [UNK]"
        )
