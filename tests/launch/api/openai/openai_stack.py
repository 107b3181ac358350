"""The stack of ``api_stack.py`` behind a real port, with OpenAI's own client in front."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import openai
from openai.types.chat import ChatCompletionChunk
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from engine.controller.prompt_encoder import PromptEncoder
from launch.api.openai.logprobs import TokenBytes
from launch.api.openai.served_model import ServedModel
from launch.api.openai.template import ChatTemplate
from tests.launch.api.api_stack import Api, api_stack, served
from tests.waiting import GUARD_SECONDS

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <|end|> {% endfor %}"
    "{% if style is defined %}{{ style }} {% endif %}<|assistant|>"
)
QUESTION: Any = [{"role": "user", "content": "How many orders"}]
WORDS = {"SELECT": 100, " 1": 101, " + 1": 102, "or": 103, "and": 104}


@asynccontextmanager
async def openai_app(template: str | None = TEMPLATE, **options: Any) -> AsyncIterator[Api]:
    """Yield a stack with a chat template and a tokenizer that knows what the fakes say."""
    async with api_stack(**options) as api:
        encoder = PromptEncoder(_tokenizer())
        model = ServedModel(
            name="tiny",
            path="/models/tiny",
            chat_template=None if template is None else ChatTemplate(template, {}, _MARKS),
            sampling_defaults={"temperature": 0.6},
            token_bytes=TokenBytes(encoder.tokenizer),
        )
        api.app.state.services = replace(api.app.state.services, model=model, encoder=encoder)
        try:
            yield api
        finally:
            encoder.close()


@asynccontextmanager
async def openai_stack(**options: Any) -> AsyncIterator[tuple[Api, openai.AsyncOpenAI, str]]:
    """Yield such a stack, served; a client that doesn't try again; and the API's address."""
    async with openai_app(**options) as api, served(api.app) as port:
        url = f"http://127.0.0.1:{port}/v1"
        http = httpx.AsyncClient(trust_env=False, verify=False)  # certificates take long to load
        async with openai.AsyncOpenAI(
            base_url=url, api_key="any", max_retries=0, timeout=GUARD_SECONDS, http_client=http
        ) as client:
            yield api, client, url


_MARKS = [AddedToken(f"<|{name}|>", normalized=False) for name in ("system", "user", "assistant", "end")]


def _tokenizer() -> Tokenizer:
    """Return a tokenizer for which each word of a prompt is a token, and so are the outputs of the fakes."""
    words = ["[UNK]", "How", "many", "orders", "Be", "brief", "one", "two", "terse"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)} | WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(_MARKS)
    return tokenizer


def prompt(api: Api, call: int = 0) -> str:
    """Return the prompt of a call that reached the runtime, as words."""
    ids = memoryview(api.worker.requests[call].token_ids).cast("i")
    tokenizer = api.app.state.services.encoder.tokenizer
    return " ".join(tokenizer.id_to_token(token_id) for token_id in ids)


async def chunks(client: openai.AsyncOpenAI, **options: Any) -> list[ChatCompletionChunk]:
    """Return the parts of a streamed chat."""
    stream = await client.chat.completions.create(model="tiny", messages=QUESTION, stream=True, **options)
    return [chunk async for chunk in stream]
