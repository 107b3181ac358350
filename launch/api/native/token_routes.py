"""Texts as token ids and back, as clients count and cut prompts: ``/tokenize`` and ``/detokenize``."""

from __future__ import annotations

from typing import Any, Self

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError, model_validator

from engine.controller.prompt_encoder import prompt_from_ids
from engine.wire.token_ids import unpack_ids
from launch.api.answer_models import Text, Tokens
from launch.api.bodies import Body
from launch.api.error_answers import error_docs
from launch.api.native.native_bodies import MAX_CALLS, IdsOrMany, OneOrMany
from launch.api.openai.chat_prompt import chat_prompt, named
from launch.api.openai.request_models import ChatBody
from launch.api.replies import JsonResponse, JsonRoute, until_disconnected
from launch.api.services import ApiServices, Services
from sched.errors import InvalidRequestError
from sched.workflow import Segment, SegmentKind

router = APIRouter(route_class=JsonRoute, tags=["SGLang"])

_RESPONSES = error_docs(400, 404, 408, 413, 422, 429, 499, 503)
_OF_CHATS = ("messages", "tools", "tool_choice", "continue_final_message", "chat_template_kwargs")


class TokenizeBody(Body):
    """``POST /tokenize``: a ``prompt``, a list of them, or a chat.

    A chat is tokenised as ``/v1/chat/completions`` would, with the same fields.  ``add_special_tokens``: a
    prompt has the tokenizer's prefix in front, as on ``/generate``.
    """

    model: str | None = None
    prompt: OneOrMany[str] | None = None
    add_special_tokens: bool = True
    messages: list[Any] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    continue_final_message: bool = False
    chat_template_kwargs: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise InvalidRequestError("give either a prompt or messages", field="prompt")
        if isinstance(self.prompt, list) and not 0 < len(self.prompt) <= MAX_CALLS:
            raise InvalidRequestError(f"a list must have 1 to {MAX_CALLS} prompts", field="prompt")
        return self

    def chat(self) -> ChatBody:
        """Return the chat.

        Raises:
            RequestValidationError: it is none.
        """
        try:
            return ChatBody.model_validate(self.model_dump(include=set(_OF_CHATS), exclude_none=True))
        except ValidationError as error:
            problems = [problem | {"loc": ("body", *problem["loc"])} for problem in error.errors()]
            raise RequestValidationError(problems) from error


class DetokenizeBody(Body):
    """``POST /detokenize``: token ids, or a list of such lists."""

    model: str | None = None
    tokens: IdsOrMany
    skip_special_tokens: bool = True


@router.post("/v1/tokenize", include_in_schema=False)
@router.post("/tokenize", response_model=Tokens, responses=_RESPONSES)
async def tokenize(body: TokenizeBody, request: Request, services: Services) -> Response:
    """Return the token ids of a prompt, of a list of prompts, or of a chat; no runtime is asked.

    `max_model_len` is the context in tokens, null while no runtime is up.
    """
    services.model.check_name(body.model)
    return await until_disconnected(request.receive, _tokenized(services, body))


@router.post("/v1/detokenize", include_in_schema=False)
@router.post("/detokenize", response_model=Text, responses=_RESPONSES)
async def detokenize(body: DetokenizeBody, request: Request, services: Services) -> Response:
    """Return the text of token ids, or the texts of a list of them; unknown ids are left out."""
    services.model.check_name(body.model)
    return await until_disconnected(request.receive, _text(services, body))


async def _tokenized(services: ApiServices, body: TokenizeBody) -> Response:
    limit = services.controller.workers.context_length
    if body.messages is not None:
        _, prompt = await chat_prompt(services, body.chat())
        found = [unpack_ids(prompt.token_ids).tolist()]
    else:
        texts = [body.prompt] if isinstance(body.prompt, str) else body.prompt or []
        found = []
        for text in texts:
            segments = [Segment(SegmentKind.CONTEXT, text)]
            encoding = services.encoder.encode(segments, body.add_special_tokens, most_tokens=limit)
            found.append(unpack_ids((await named("prompt", encoding)).token_ids).tolist())
    counts = [len(ids) for ids in found]
    listed = isinstance(body.prompt, list)
    return JsonResponse(
        {
            "tokens": found if listed else found[0],
            "count": counts if listed else counts[0],
            "max_model_len": limit,
        }
    )


async def _text(services: ApiServices, body: DetokenizeBody) -> Response:
    ids: Any = body.tokens
    listed = bool(ids) and isinstance(ids[0], list)
    texts = [await _decoded(services, part, body.skip_special_tokens) for part in (ids if listed else [ids])]
    return JsonResponse({"text": texts if listed else texts[0]})


async def _decoded(services: ApiServices, token_ids: list[int], skip_special_tokens: bool) -> str:
    """Return the text of ``token_ids``, which may be none.

    Raises:
        InvalidRequestError: one is no token id.
    """
    if not token_ids:
        return ""
    try:
        prompt_from_ids(token_ids)
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message.replace("input_ids", "tokens"), field="tokens") from error
    return await services.encoder.decode(token_ids, skip_special_tokens=skip_special_tokens)
