"""OpenAI's API on real SGLang runtimes, through OpenAI's own client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import openai
import pytest
from pydantic import BaseModel, Field

from tests.engine.sglang import tool_samples
from tests.engine.sglang.tool_samples import WRITERS, formats, reading
from tests.real.real_server import RealServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SYSTEM = "You write SQL for the tables orders and customers. " * 30
MESSAGES: Any = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": "How many orders are there?"},
]


@pytest.fixture
def client(pair: RealServer) -> Iterator[openai.OpenAI]:
    """A client of the two real runtimes."""
    http = httpx.Client(trust_env=False)
    with openai.OpenAI(
        base_url=f"{pair.url}/v1", api_key="any", timeout=120.0, max_retries=0, http_client=http
    ) as found:
        yield found


@pytest.fixture
def model(client: openai.OpenAI) -> str:
    """The name of the served model."""
    (card, *_) = client.models.list()
    return card.id


def test_a_chat_is_the_prompt_of_the_models_template(
    pair: RealServer, client: openai.OpenAI, model: str
) -> None:
    """The same tokens, and so the same output, as the text that the template makes; then from the cache."""
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=8, temperature=0, extra_body={"ignore_eos": True}
    )
    text = f"<|system|>\n{SYSTEM}<|end|>\n<|user|>\n{MESSAGES[1]['content']}<|end|>\n<|assistant|>\n"
    with pair.client() as native:
        sampling = {"max_new_tokens": 8, "temperature": 0, "ignore_eos": True}
        expected = native.post("/generate", json={"text": text, "sampling_params": sampling}).json()
    assert answer.usage is not None
    assert answer.choices[0].message.content == expected["text"]
    assert answer.usage.prompt_tokens == expected["meta_info"]["prompt_tokens"] > 200
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (8, "length")
    cached = 0
    for _ in range(3):  # at least two of the calls so far, and this, went to one runtime
        again = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=1)
        assert again.usage is not None
        assert again.usage.prompt_tokens_details is not None
        cached = max(cached, again.usage.prompt_tokens_details.cached_tokens or 0)
    assert cached >= answer.usage.prompt_tokens - 2


def test_structured_output_follows_its_schema(client: openai.OpenAI, model: str) -> None:
    """Even from random weights: the grammar bounds what can be said."""

    class Plan(BaseModel):
        table: Literal["orders", "customers"]
        limit: int = Field(ge=1, le=99)
        distinct: bool

    answer = client.chat.completions.parse(
        model=model, messages=MESSAGES, response_format=Plan, max_tokens=128
    )
    assert isinstance(answer.choices[0].message.parsed, Plan)


def tool(name: str) -> Any:
    """A tool whose arguments are bounded, so that random weights end them."""
    parameters = {
        "type": "object",
        "properties": {
            "table": {"type": "string", "enum": ["orders", "customers"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": 99},
        },
        "required": ["table", "limit"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters, "strict": True}}


TOOLS: Any = [tool("count_rows"), tool("show_rows")]
NAMED: Any = {"type": "function", "function": {"name": "show_rows"}}


@pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
def test_a_required_call_follows_its_tool(client: openai.OpenAI, model: str, choice: Any) -> None:
    """Even from random weights, whole and streamed: the grammar bounds what can be called."""
    options: Any = {
        "model": model,
        "messages": MESSAGES,
        "tools": TOOLS,
        "tool_choice": choice,
        "parallel_tool_calls": False,
        "max_tokens": 200,
        "temperature": 0,
    }
    names = {"show_rows"} if choice is NAMED else {"count_rows", "show_rows"}
    answer = client.chat.completions.create(**options).choices[0]
    assert answer.finish_reason == "tool_calls"
    assert answer.message.content is None
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name in names
    given = json.loads(call.function.arguments)
    assert given["table"] in ("orders", "customers")
    assert 1 <= given["limit"] <= 99
    name, arguments, reasons = "", "", []
    for chunk in client.chat.completions.create(stream=True, **options):
        reasons.append(chunk.choices[0].finish_reason)
        for part in chunk.choices[0].delta.tool_calls or []:
            assert part.index == 0
            assert part.function is not None
            name, arguments = name + (part.function.name or ""), arguments + (part.function.arguments or "")
    assert (name, json.loads(arguments), reasons[-1]) == (call.function.name, given, "tool_calls")


def test_a_strict_tool_is_bound_in_the_answers_text(client: openai.OpenAI, model: str) -> None:
    """Where no call is required, the model may write text: SGLang takes the grammar, and the text is read."""
    answer = client.chat.completions.create(model=model, messages=MESSAGES, tools=TOOLS, max_tokens=8)
    assert answer.choices[0].finish_reason in ("length", "stop")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8


@pytest.mark.parametrize("family", sorted(set(WRITERS) - {"glm47"}))  # whose grammar is no client's to send
def test_sglang_takes_the_grammar_of_every_format(pair: RealServer, family: str) -> None:
    """It compiles, and the output begins as the format does."""
    found = formats().sampling(
        reading(family, required=True, function="run_sql", tools=tool_samples.TOOLS[1:])
    )
    sampling = found | {"max_new_tokens": 4, "temperature": 0}
    with pair.client() as native:
        answer = native.post("/generate", json={"text": "SELECT", "sampling_params": sampling})
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta_info"]["completion_tokens"] > 0


def test_a_seed_is_refused_where_sglang_would_ignore_it(client: openai.OpenAI, model: str) -> None:
    """As on a CPU, which SGLang can't have sample by seeds; the likeliest tokens need none."""
    with pytest.raises(openai.BadRequestError, match="enable-deterministic-inference"):
        client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=2, seed=1)
    answer = client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=2, seed=1, temperature=0
    )
    assert answer.usage is not None


def test_choices_run_side_by_side_in_one_workflow(
    pair: RealServer, client: openai.OpenAI, model: str
) -> None:
    """Four choices are branches of one join, on both runtimes, each constrained by SGLang's regex."""
    answer = client.completions.create(
        model=model,
        prompt="SELECT",
        n=4,
        temperature=1.0,
        max_tokens=40,
        extra_body={"regex": "[a-z]{20}"},
        extra_headers={"x-sluice-workflow-id": "openai-n", "x-sluice-last": "true"},
    )
    assert all(re.fullmatch("[a-z]{20}", choice.text) for choice in answer.choices)
    assert len({choice.text for choice in answer.choices}) > 1
    with pair.client() as native:
        shown = native.get("/v1/workflows/openai-n").json()
    assert sorted(step["branch"] for step in shown["timeline"]) == [0, 1, 2, 3]
    assert {step["runtime"] for step in shown["timeline"]} == {"cpu-0", "cpu-1"}
    assert shown["state"] == "finished"


def test_log_probabilities_are_of_the_tokens_that_came(client: openai.OpenAI, model: str) -> None:
    """One per token; greedy ones are the likeliest; a stream's parts together are the whole."""
    options: Any = {
        "model": model,
        "messages": MESSAGES,
        "max_tokens": 12,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 3,
        "extra_body": {"ignore_eos": True, "skip_special_tokens": False},
    }
    choice = client.chat.completions.create(**options).choices[0]
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert len(tokens) == 12
    said = b"".join(bytes(token.bytes or []) for token in tokens).decode(errors="replace")
    assert said == choice.message.content
    for token in tokens:
        best, second, third = token.top_logprobs
        assert (best.token, best.logprob) == (token.token, pytest.approx(token.logprob, abs=1e-4))
        assert 0 >= best.logprob >= second.logprob >= third.logprob
    streamed = [
        token
        for chunk in client.chat.completions.create(**options, stream=True)
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content or []
    ]
    assert [token.token for token in streamed] == [token.token for token in tokens]
    assert [t.logprob for t in streamed] == pytest.approx([t.logprob for t in tokens], abs=1e-3)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_ends_the_text_before_it(client: openai.OpenAI, model: str, stream: bool) -> None:
    """Also where it spans tokens (each digit is one): a stream sends no part of it."""
    options: Any = {
        "model": model,
        "prompt": "SELECT",
        "max_tokens": 40,
        "stop": ["907"],
        "extra_body": {"regex": "12 34 907 56"},
    }
    if stream:
        chunks = list(client.completions.create(**options, stream=True))
        text = "".join(chunk.choices[0].text for chunk in chunks)
        end = chunks[-1].choices[0]
    else:
        end = client.completions.create(**options).choices[0]
        text = end.text
    assert text == "12 34 "
    assert end.finish_reason == "stop"
    assert end.model_extra is not None
    assert end.model_extra["matched_stop"] == "907"
