"""``/v1/responses``: create, look up and forget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from engine.controller.external_workflows import WorkflowTag
from launch.api.agents.recogniser import KEY_HEADERS
from launch.api.identity import workflow_tag
from launch.api.openai.chat_prompt import chat_prompt
from launch.api.openai.choices import Asked
from launch.api.openai.database_model import database_of
from launch.api.openai.database_question import chat_question
from launch.api.openai.error_form import OpenAiRoute, error_docs
from launch.api.openai.request_models import ChatBody
from launch.api.question_workflows import question_spec
from launch.api.replies import JsonResponse, event_stream, stream_docs, until_disconnected
from launch.api.responses.answered_response import AnsweredResponse
from launch.api.responses.as_chat import chat_of, in_our_words
from launch.api.responses.input_items import stored_items
from launch.api.responses.response_bodies import ResponsesBody
from launch.api.responses.response_documents import (
    DeletedResponse,
    InputItemList,
    InputTokens,
    ResponseAnswer,
)
from launch.api.responses.response_ids import ONE_RESPONSE, new_response_id
from launch.api.responses.response_store import StoredResponse
from launch.api.responses.said import Speech, by_database, by_model
from launch.api.services import ApiServices, Services
from launch.api.timing import tell_timing
from sched.clock import monotonic
from sched.errors import InvalidRequestError

router = APIRouter(route_class=OpenAiRoute, prefix="/v1/responses", tags=["OpenAI"])

_ERRORS = (400, 404, 408, 409, 413, 429, 499, 502, 503, 504)
_RESPONSES = stream_docs("with `stream` events, the last of which has the whole response") | error_docs(
    *_ERRORS
)


@router.post("", response_model=ResponseAnswer, responses=_RESPONSES)
async def create_response(body: ResponsesBody, request: Request, services: Services) -> Response:
    """Generate the model's response to a text or to items, as OpenAI's Responses API does.

    With `previous_response_id` it continues an earlier one; all of a conversation are one workflow.  With
    `tools`, the response may call functions.

    The model `sluice/<database>` answers the last message as a question to that database.
    """
    conversation = _conversation(request, body)
    before = _before(services, body, conversation)
    chat = chat_of(body, chain.from_iterable(stored.items() for stored in before))
    response_id = new_response_id()
    begun = await _begun(request, services, body, chat, before, response_id)
    answered = AnsweredResponse(
        body=body, response_id=response_id, model=begun.model, defaults=services.model.sampling_defaults
    )

    def keep(response: dict[str, Any]) -> None:
        if body.store:
            services.responses.keep(
                StoredResponse(
                    response=response,
                    input_items=stored_items(body.input),
                    previous_id=before[-1].response_id if before else None,
                    workflow_id=begun.workflow_id,
                    conversation=conversation,
                )
            )

    if body.stream:
        events = answered.events(begun.speech, keep)
        return await event_stream(request, events, answered.failed, begun.headers)
    told = await until_disconnected(request.receive, answered.whole(begun.speech, keep))
    response = JsonResponse(told, headers=begun.headers)
    if answered.ended is not None and answered.ended.result is not None:
        results, told_to = [answered.ended.result], services.metrics.meters.answered
        tell_timing(response, request.scope, begun.tokenise_seconds, results, told_to)
    return response


@router.post("/input_tokens", response_model=InputTokens, responses=error_docs(*_ERRORS))
async def count_input_tokens(body: ResponsesBody, request: Request, services: Services) -> Response:
    """Count the tokens of the prompt that a response would have; no runtime is asked."""
    services.model.check_name(body.model)
    before = _before(services, body, _conversation(request, body))
    chat = chat_of(body, chain.from_iterable(stored.items() for stored in before))
    with in_our_words():
        _, prompt = await chat_prompt(services, chat)
    return JsonResponse({"object": "response.input_tokens", "input_tokens": prompt.tokens})


@router.get(ONE_RESPONSE, response_model=ResponseAnswer, responses=error_docs(400, 404))
async def show_response(response_id: str, services: Services, stream: bool = False) -> Response:
    """Return a response that was stored."""
    if stream:
        raise InvalidRequestError("a stored response can't be streamed: leave stream out", field="stream")
    return JsonResponse(services.responses.get(response_id).response)


@router.delete(ONE_RESPONSE, response_model=DeletedResponse, responses=error_docs(404))
async def delete_response(response_id: str, services: Services) -> Response:
    """Forget a response; those after it can't be continued any more."""
    services.responses.delete(response_id)
    return JsonResponse({"id": response_id, "object": "response", "deleted": True})


@router.post(ONE_RESPONSE + "/cancel", response_model=ResponseAnswer, responses=error_docs(400, 404))
async def cancel_response(response_id: str, services: Services) -> Response:
    """Refuse: only responses in the background can be cancelled, and there are none."""
    services.responses.get(response_id)
    raise InvalidRequestError(
        "this response has ended: only one in the background can be cancelled; to end one that goes on, "
        "close its connection or POST /abort_request with its id as rid",
        field="response_id",
    )


@router.get(ONE_RESPONSE + "/input_items", response_model=InputItemList, responses=error_docs(400, 404))
async def input_items(
    response_id: str,
    services: Services,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> Response:
    """List what a response was asked, the conversation before it included; the latest comes first."""
    *before, last = services.responses.until(response_id)
    items = [*chain.from_iterable(stored.items() for stored in before), *last.input_items]
    if order == "desc":
        items.reverse()
    if after is not None:
        names = [item["id"] for item in items]
        if after not in names:
            raise InvalidRequestError(f"{after!r} is none of this response's items", field="after")
        # Clients may send an id twice: the page after it must not begin before it again.
        items = items[len(names) - names[::-1].index(after) :]
    page = items[:limit]
    return JsonResponse(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(items) > limit,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What answers a response, its name, and the workflow of its call."""

    speech: Speech
    model: str
    workflow_id: str | None
    tokenise_seconds: float
    headers: Mapping[str, str]


async def _begun(
    request: Request,
    services: ApiServices,
    body: ResponsesBody,
    chat: ChatBody,
    before: Sequence[StoredResponse],
    response_id: str,
) -> _Begun:
    """Check the request and return what answers it; nothing runs before it is listened to.

    Raises:
        SluiceError: it can't be done as it is asked for.
    """
    headers = {"x-request-id": response_id}
    if (database := database_of(services, body.model)) is not None:
        with in_our_words():
            question = chat_question(request.headers, services.kind.request, chat, database)
        spec = question_spec(services, question)
        return _Begun(
            speech=by_database(services, question, spec),
            model=str(body.model),
            workflow_id=None,  # a question is a workflow of its own
            tokenise_seconds=0.0,
            headers=headers | {"x-workflow-id": spec.workflow_id},
        )
    model = services.model
    model.check_name(body.model)
    started = monotonic()
    with in_our_words():
        use, prompt = await chat_prompt(services, chat)
    tokenise_seconds = monotonic() - started
    tag = _tag(request, services, body, chat, before, response_id)
    asked = Asked(
        body=chat,
        rid=response_id,
        tag=tag,
        prompts=[prompt],
        prompt_field="input",
        tokenise_seconds=tokenise_seconds,
        top_logprobs=chat.top_logprobs_num,
        defaults=dict(model.sampling_defaults),
        reading=use.reading,
    )
    return _Begun(
        speech=by_model(services, asked),
        model=model.name,
        workflow_id=tag.workflow_id,
        tokenise_seconds=tokenise_seconds,
        headers=headers,
    )


def _conversation(request: Request, body: ResponsesBody) -> str | None:
    """Return what the store calls the conversation: clients of another key don't share its name."""
    if body.conversation is None:
        return None
    keys = (request.headers.get(name, "") for name in KEY_HEADERS)
    return hashlib.sha256("\0".join((body.conversation, *keys)).encode(errors="replace")).hexdigest()


def _before(services: ApiServices, body: ResponsesBody, conversation: str | None) -> list[StoredResponse]:
    """Return the responses that this one continues, the first one first.

    Raises:
        NotFoundError: one isn't kept any more.
    """
    previous, where = body.previous_response_id, "previous_response_id"
    if conversation is not None:
        previous, where = services.responses.latest(conversation), "conversation"
    return [] if previous is None else services.responses.until(previous, where)


def _tag(
    request: Request,
    services: ApiServices,
    body: ResponsesBody,
    chat: ChatBody,
    before: Sequence[StoredResponse],
    response_id: str,
) -> WorkflowTag:
    """Return the workflow: what the client says, else that of the response before, else a recognised one."""
    tag = workflow_tag(request.headers, body.workflow, body.labels())
    earlier = before[-1].workflow_id if before else None
    if tag.workflow_id is None and earlier is not None:
        tag = replace(tag, workflow_id=earlier, session=True)
    if services.recogniser is not None:
        sent = [message.model_dump(exclude_none=True) for message in chat.messages]
        tag = services.recogniser.chat(tag, request, sent, [tool.name for tool in body.tools])
    if tag.workflow_id is None and body.store and not tag.last:
        tag = replace(tag, workflow_id=response_id, session=True)
    return tag
