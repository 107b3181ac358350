"""``/v1/completions`` and ``/v1/models`` through OpenAI's own client."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.launch.api.api_fakes import CONTEXT_LENGTH
from tests.launch.api.openai.openai_stack import openai_stack, prompt


async def test_a_text_is_continued_as_it_is() -> None:
    """No chat template, OpenAI's default length, none of the model's sampling defaults."""
    async with openai_stack() as (api, client, _):
        answer = await client.completions.create(model="tiny", prompt="How many")
        (choice,) = answer.choices
        assert (answer.object, choice.text, choice.finish_reason) == (
            "text_completion",
            "SELECT 1 + 1",
            "stop",
        )
        assert answer.id.startswith("cmpl-")
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 3)
        assert answer.usage.prompt_tokens_details is not None
        assert answer.usage.prompt_tokens_details.cached_tokens == 2
        assert prompt(api) == "How many"
        assert api.worker.requests[0].sampling == {"max_new_tokens": 16}


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("one two", ["one two"]),
        (["one", "two"], ["one", "two"]),
        ([6, 7], ["one two"]),
        ([[6], [7, 6]], ["one", "two one"]),
    ],
)
async def test_every_form_of_prompt(given: Any, seen: list[str]) -> None:
    """A text, texts, token ids, lists of token ids: each prompt is a call."""
    async with openai_stack() as (api, client, _):
        answer = await client.completions.create(model="tiny", prompt=given)
        assert [choice.index for choice in answer.choices] == list(range(len(seen)))
        assert sorted(prompt(api, call) for call in range(len(seen))) == sorted(seen)
        assert len(api.worker.requests) == len(seen)


async def test_choices_of_several_prompts_are_numbered_prompt_by_prompt() -> None:
    """All of them are siblings; a prompt's tokens count once."""
    async with openai_stack() as (api, client, _):
        answer = await client.completions.create(model="tiny", prompt=["one", "two two"], n=2)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 12)
        record = api.latest(1)[0]
        by_branch = sorted((entry.branch, entry.prompt_tokens) for entry in record.entries)  # type: ignore[union-attr]
        assert by_branch == [(0, 1), (1, 1), (2, 2), (3, 2)]


async def test_a_stream_of_several_choices() -> None:
    """Parts carry their index; each choice ends once; the usage is last."""
    async with openai_stack() as (_, client, _):
        stream = await client.completions.create(
            model="tiny", prompt=["one", "two"], stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        *parts, usage = chunks
        texts = {i: "".join(c.choices[0].text for c in parts if c.choices[0].index == i) for i in (0, 1)}
        assert texts == {0: "SELECT 1 + 1", 1: "SELECT 1 + 1"}
        assert sorted(c.choices[0].index for c in parts if c.choices[0].finish_reason == "stop") == [0, 1]
        assert usage.usage is not None
        assert (usage.choices, usage.usage.total_tokens) == ([], 8)


async def test_log_probabilities_are_parallel_lists() -> None:
    """Whole, and streamed with offsets that go on from part to part."""
    async with openai_stack() as (_, client, _):
        answer = await client.completions.create(model="tiny", prompt="one", logprobs=2)
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.tokens == ["SELECT", " 1", " + 1"]
        assert logprobs.token_logprobs == [-1.0, -1.01, -1.02]
        assert logprobs.text_offset == [0, 6, 8]
        assert logprobs.top_logprobs == [
            {"SELECT": -1.0, " 1": -2.0},
            {" 1": -1.01, " + 1": -2.01},
            {" + 1": -1.02, "or": -2.02},
        ]
        stream = await client.completions.create(model="tiny", prompt="one", logprobs=0, stream=True)
        parts = [chunk.choices[0].logprobs async for chunk in stream if chunk.choices[0].logprobs]
        assert [(part.tokens, part.text_offset) for part in parts] == [
            (["SELECT"], [0]),
            ([" 1"], [6]),
            ([" + 1"], [8]),
        ]


async def test_a_length_limit_is_a_reason() -> None:
    """Not the same as a stop."""
    async with openai_stack() as (api, client, _):
        api.worker.reason = {"type": "length", "length": 3}
        answer = await client.completions.create(model="tiny", prompt="one", max_tokens=3)
        assert answer.choices[0].finish_reason == "length"


async def test_models_lists_what_is_served() -> None:
    """By its name, its folder, and in OpenAI's form; another is 404."""
    async with openai_stack() as (_, client, _):
        (listed, *_) = (await client.models.list()).data
        assert (listed.id, listed.object, listed.owned_by) == ("tiny", "model", "sluice")
        assert listed.model_extra == {"root": "/models/tiny", "max_model_len": CONTEXT_LENGTH}
        assert await client.models.retrieve("tiny") == listed
        assert await client.models.retrieve("/models/tiny") == listed
        with pytest.raises(openai.NotFoundError) as raised:
            await client.models.retrieve("gpt-4o")
        assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
