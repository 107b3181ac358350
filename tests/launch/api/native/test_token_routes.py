"""``/tokenize`` and ``/detokenize`` over a tokenizer for which each word is a token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.launch.api.api_stack import api_stack
from tests.launch.api.openai.openai_stack import QUESTION, openai_app, prompt


async def test_a_prompt_as_ids_and_back() -> None:
    """One prompt gives one list; SGLang's names, and those under /v1, are the same routes."""
    async with openai_app() as api:
        for prefix in ("", "/v1"):
            answer = (await api.client.post(f"{prefix}/tokenize", json={"prompt": "How many orders"})).json()
            assert (answer["tokens"], answer["count"]) == ([1, 2, 3], 3)
            assert answer["max_model_len"] == api.controller.workers.context_length
            text = await api.client.post(f"{prefix}/detokenize", json={"tokens": answer["tokens"]})
            assert text.json() == {"text": "How many orders"}


async def test_lists_of_prompts_and_of_ids() -> None:
    """A list gives lists, even of one."""
    async with openai_app() as api:
        answer = (await api.client.post("/tokenize", json={"prompt": ["How many", "orders"]})).json()
        assert (answer["tokens"], answer["count"]) == ([[1, 2], [3]], [2, 1])
        one = (await api.client.post("/tokenize", json={"prompt": ["orders"]})).json()
        assert (one["tokens"], one["count"]) == ([[3]], [1])
        texts = await api.client.post("/detokenize", json={"tokens": [[1, 2], [], [3]]})
        assert texts.json() == {"text": ["How many", "", "orders"]}


async def test_special_tokens_are_left_out_of_texts_unless_wanted() -> None:
    """As in SGLang."""
    async with openai_app() as api:
        ids = (await api.client.post("/tokenize", json={"prompt": "<|user|> How"})).json()["tokens"]
        assert (await api.client.post("/detokenize", json={"tokens": ids})).json() == {"text": "How"}
        whole = {"tokens": ids, "skip_special_tokens": False}
        assert (await api.client.post("/detokenize", json=whole)).json() == {"text": "<|user|> How"}


async def test_a_chat_is_tokenised_as_it_would_be_asked() -> None:
    """The ids are those that reach the runtime."""
    async with openai_app() as api:
        counted = (await api.client.post("/tokenize", json={"messages": QUESTION, "model": "tiny"})).json()
        asked = await api.client.post("/v1/chat/completions", json={"messages": QUESTION})
        assert asked.json()["usage"]["prompt_tokens"] == counted["count"]
        sent = memoryview(api.worker.requests[0].token_ids).cast("i").tolist()
        assert counted["tokens"] == sent
        assert prompt(api).endswith("<|assistant|>")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/tokenize", {}, 400, "prompt"),
        ("/tokenize", {"prompt": "How", "messages": QUESTION}, 400, "prompt"),
        ("/tokenize", {"prompt": []}, 400, "prompt"),
        ("/tokenize", {"prompt": "orders " * 100_000}, 413, None),
        ("/tokenize", {"prompt": "How", "model": "other"}, 404, "model"),
        ("/tokenize", {"messages": [{"role": "nobody", "content": "How"}]}, 422, "messages.0.role"),
        ("/tokenize", {"messages": QUESTION, "continue_final_message": True}, 400, "messages"),
        ("/detokenize", {}, 422, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens"),
        ("/detokenize", {"tokens": [2**31]}, 400, "tokens"),
        ("/detokenize", {"tokens": ["How"]}, 422, "tokens.0"),
        ("/detokenize", {"tokens": [1], "model": "other"}, 404, "model"),
    ],
)
async def test_wrong_input_is_refused_by_name(
    path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    """The field is named, of a chat's too."""
    async with openai_app() as api:
        answer = await api.client.post(path, json=body)
        assert (answer.status_code, answer.json()["error"].get("field")) == (status, field)


async def test_nothing_has_no_tokens() -> None:
    """An empty text is refused, as on /generate; no ids are the empty text."""
    async with openai_app() as api:
        empty = await api.client.post("/tokenize", json={"prompt": ""})
        assert (empty.status_code, empty.json()["error"]["field"]) == (400, "prompt")
        assert (await api.client.post("/detokenize", json={"tokens": []})).json() == {"text": ""}


async def test_generate_takes_the_served_models_name_and_no_other() -> None:
    """OpenAI's clients send it everywhere."""
    async with api_stack() as api:
        assert (await api.generate(model="fake")).status_code == 200
        refused = await api.generate(model="other")
        assert (refused.status_code, refused.json()["error"]["field"]) == (404, "model")
        assert len(api.worker.requests) == 1


async def test_the_version_is_the_checkouts() -> None:
    """vLLM's form."""
    async with api_stack() as api:
        assert (await api.client.get("/version")).json() == {"version": api.app.version}
