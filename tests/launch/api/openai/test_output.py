"""What an output shall be like: parameters, constraints, log probabilities."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.launch.api.openai.openai_stack import QUESTION, chunks, openai_stack


async def test_parameters_reach_the_runtime_by_sglangs_names() -> None:
    """And the model's own defaults where the client sets none, for chats."""
    async with openai_stack() as (api, client, _):
        await client.chat.completions.create(
            model="default",
            messages=QUESTION,
            max_completion_tokens=7,
            top_p=0.5,
            stop=["; ", "\n"],
            seed=3,
            frequency_penalty=0.25,
            presence_penalty=-0.5,
            logit_bias={"7": -1},
            user="somebody",
            extra_body={"top_k": 5, "min_tokens": 1, "ignore_eos": True, "stop_regex": "a+", "regex": "S.*"},
        )
        await client.chat.completions.create(model="tiny", messages=QUESTION, temperature=0, stop="x")
        first, second = (request.sampling for request in api.worker.requests)
        assert first == {
            "temperature": 0.6,
            "top_p": 0.5,
            "top_k": 5,
            "stop": ["; ", "\n"],
            "stop_regex": ["a+"],
            "sampling_seed": 3,
            "frequency_penalty": 0.25,
            "presence_penalty": -0.5,
            "logit_bias": {"7": -1.0},
            "min_new_tokens": 1,
            "ignore_eos": True,
            "regex": "S.*",
            "max_new_tokens": 7,
        }
        assert second == {"temperature": 0.0, "stop": ["x"], "max_new_tokens": 512 - 6}


async def test_structured_output_is_constrained_and_parsed_by_the_client() -> None:
    """json_schema, json_object and SGLang's ebnf become SGLang's constraints."""

    class Sum(BaseModel):
        total: int

    async with openai_stack() as (api, client, _):
        api.worker.output = ('{"total"', ":", " 2}")
        parsed = await client.chat.completions.parse(model="tiny", messages=QUESTION, response_format=Sum)
        assert parsed.choices[0].message.parsed == Sum(total=2)
        constraints: list[Any] = [
            {"response_format": {"type": "json_object"}},
            {"extra_body": {"ebnf": "root ::= a"}},
        ]
        for options in constraints:
            await client.chat.completions.create(model="tiny", messages=QUESTION, **options)
        schema, loose, ebnf = (request.sampling for request in api.worker.requests)
        assert '"total":{"title":"Total","type":"integer"}' in schema["json_schema"]
        assert (loose["json_schema"], ebnf["ebnf"]) == ('{"type": "object"}', "root ::= a")


async def test_log_probabilities_come_with_each_token() -> None:
    """Whole and streamed: text, bytes, value, and alternatives if asked for."""
    async with openai_stack() as (api, client, _):
        answer = await client.chat.completions.create(
            model="tiny",
            messages=QUESTION,
            logprobs=True,
            top_logprobs=2,
        )
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.content is not None
        assert [(t.token, t.logprob) for t in logprobs.content] == [
            ("SELECT", -1.0),
            (" 1", -1.01),
            (" + 1", -1.02),
        ]
        assert bytes(logprobs.content[0].bytes or []) == b"SELECT"
        assert [(t.token, t.logprob) for t in logprobs.content[2].top_logprobs] == [
            (" + 1", -1.02),
            ("or", -2.02),
        ]
        assert api.worker.requests[0].logprobs == {"return_logprob": True, "top_logprobs_num": 2}
        parts = [chunk.choices[0] for chunk in await chunks(client, logprobs=True)]
        tokens = [token for part in parts if part.logprobs for token in part.logprobs.content or []]
        assert [token.token for token in tokens] == ["SELECT", " 1", " + 1"]
        assert tokens[0].top_logprobs == []
