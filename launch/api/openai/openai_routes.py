"""OpenAI's routes: ``/v1/chat/completions``, ``/v1/completions`` and ``/v1/models``."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from engine.controller.prompt_encoder import EncodedPrompt, prompt_from_ids
from launch.api.identity import workflow_tag
from launch.api.openai.answer_forms import CHAT, COMPLETION
from launch.api.openai.answering import reply
from launch.api.openai.chat_prompt import chat_prompt, named
from launch.api.openai.choices import Asked
from launch.api.openai.database_model import database_cards, database_of, database_reply
from launch.api.openai.error_form import OpenAiRoute, error_docs
from launch.api.openai.request_models import ChatBody, CompletionBody
from launch.api.openai.response_models import ChatAnswer, CompletionAnswer, ModelCard, ModelList
from launch.api.replies import JsonResponse, stream_docs
from launch.api.services import ApiServices, Services
from sched.clock import monotonic

router = APIRouter(route_class=OpenAiRoute, prefix="/v1", tags=["OpenAI"])

_RESPONSES = stream_docs("with `stream` one event per part, then `[DONE]`") | error_docs(
    400, 404, 408, 409, 413, 429, 499, 502, 503, 504
)


@router.post("/chat/completions", response_model=ChatAnswer, responses=_RESPONSES)
async def chat_completions(body: ChatBody, request: Request, services: Services) -> Response:
    """Generate the assistant's next message, as OpenAI's API does.

    Each of the `n` choices is a call of its own; together they are siblings that gate the workflow's next
    step.  The prompt is made by the model's own chat template.  With `tools`, the answer may call them.

    The model `sluice/<database>` answers the last message as a question to that database.
    """
    if (database := database_of(services, body.model)) is not None:
        return await database_reply(request, services, body, database)
    model = services.model
    model.check_name(body.model)
    started = monotonic()
    use, prompt = await chat_prompt(services, body)
    tokenise_seconds = monotonic() - started
    tag = workflow_tag(request.headers, body.workflow, body.labels())
    if services.recogniser is not None:
        sent = [message.model_dump(exclude_none=True) for message in body.messages]
        tag = services.recogniser.chat(tag, request, sent, [tool.function.name for tool in body.tools or ()])
    asked = Asked(
        body=body,
        rid=body.rid or CHAT.id_prefix + uuid4().hex,
        tag=tag,
        prompts=[prompt],
        prompt_field="messages",
        tokenise_seconds=tokenise_seconds,
        top_logprobs=body.top_logprobs_num,
        defaults=dict(model.sampling_defaults),
        reading=use.reading,
    )
    return await reply(request, services, asked, CHAT)


@router.post("/completions", response_model=CompletionAnswer, responses=_RESPONSES)
async def completions(body: CompletionBody, request: Request, services: Services) -> Response:
    """Continue one or more prompts, as OpenAI's API does; all calls of a request are siblings."""
    services.model.check_name(body.model)
    started = monotonic()
    prompts = await asyncio.gather(*(_prompt(services, prompt) for prompt in body.prompt))
    tokenise_seconds = monotonic() - started
    tag = workflow_tag(request.headers, body.workflow, body.labels())
    if services.recogniser is not None:
        tag = services.recogniser.text(tag, body.prompt)
    asked = Asked(
        body=body,
        rid=body.rid or COMPLETION.id_prefix + uuid4().hex,
        tag=tag,
        prompts=prompts,
        prompt_field="prompt",
        tokenise_seconds=tokenise_seconds,
        top_logprobs=body.logprobs,
        defaults={},
    )
    return await reply(request, services, asked, COMPLETION)


@router.get("/models", response_model=ModelList)
async def models(services: Services) -> Response:
    """List the models: the one that is served, and the databases, which answer questions as models."""
    return JsonResponse({"object": "list", "data": [_card(services), *database_cards(services)]})


@router.get("/models/{model:path}", response_model=ModelCard, responses=error_docs(404))
async def model(model: str, services: Services) -> Response:
    """Describe a model."""
    if database_of(services, model) is not None:
        return JsonResponse(next(card for card in database_cards(services) if card["id"] == model))
    services.model.check_name(model)
    return JsonResponse(_card(services))


async def _prompt(services: ApiServices, prompt: str | list[int]) -> EncodedPrompt:
    if isinstance(prompt, list):
        return prompt_from_ids(prompt)
    limit = services.controller.workers.context_length
    return await named("prompt", services.encoder.encode_text(prompt, most_tokens=limit))


def _card(services: ApiServices) -> dict[str, Any]:
    served = services.model
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "sluice",
        "root": served.path,
        "max_model_len": services.controller.workers.context_length,
    }
