"""SGLang's native routes for work: ``/generate`` and ``/abort_request``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from fastapi import APIRouter, Request, Response
from starlette.types import Scope

from engine.controller.calls import CallRequest, Place
from engine.controller.external_workflows import WorkflowTag
from engine.controller.prompt_encoder import EncodedPrompt, prompt_from_ids
from launch.api.answer_models import AbortAnswer, GenerateAnswer
from launch.api.error_answers import error_body, error_docs
from launch.api.identity import workflow_tag
from launch.api.native.batch import Batch, BatchItem, expand
from launch.api.native.generations import Growing, whole
from launch.api.native.native_bodies import AbortBody, GenerateBody
from launch.api.replies import JsonResponse, JsonRoute, event_stream, sse, stream_docs, until_disconnected
from launch.api.seeds import SEED, check_seed
from launch.api.services import ApiServices, Services
from launch.api.siblings import entered, merged, together, unhurried
from launch.api.timing import tell_timing
from sched.clock import monotonic
from sched.errors import InvalidRequestError, SluiceError

router = APIRouter(route_class=JsonRoute, tags=["SGLang"])

_DONE = b"data: [DONE]\n\n"
_Answers = GenerateAnswer | list[GenerateAnswer]
_RESPONSES = stream_docs(
    "with `stream` one event per part, each with all of its call's output so far and, in a batch, "
    "the `index` of the call, then `[DONE]`"
) | error_docs(400, 404, 408, 409, 413, 422, 429, 499, 502, 503, 504)


@router.put("/generate", response_model=_Answers, responses=_RESPONSES)
@router.post("/generate", response_model=_Answers, responses=_RESPONSES)
async def generate(body: GenerateBody, request: Request, services: Services) -> Response:
    """Generate text, as SGLang's `/generate` does: for one prompt, or for a batch.

    The calls wait in the scheduler's queue and run on the runtimes it chooses.  If one of a batch fails, the
    others are aborted and the answer is its error.  If the client goes away, all are aborted.
    """
    services.model.check_name(body.model)
    batch = expand(body)
    tag = workflow_tag(request.headers, body.workflow, body.labels())
    if services.recogniser is not None:
        tag = services.recogniser.text(tag, batch.prompts)
    if body.stream:
        return await event_stream(request, _events(services, body, batch, tag), _last_event)
    return await until_disconnected(request.receive, _answer(services, body, batch, tag, request.scope))


@router.post("/abort_request", response_model=AbortAnswer, responses=error_docs(400, 413, 422))
async def abort_request(body: AbortBody, services: Services) -> Response:
    """Abort the call that its client named `rid`, or with `abort_all` every call of this server.

    The status is 200, too, when there was none.
    """
    why = "the call was aborted by /abort_request"
    if body.abort_all:
        aborted = await services.controller.cancel_calls(why)
    else:
        aborted = int(services.controller.cancel_call(body.rid or "", why))
    return JsonResponse({"rid": body.rid, "found": aborted > 0, "aborted": aborted})


async def _answer(
    services: ApiServices, body: GenerateBody, batch: Batch, tag: WorkflowTag, scope: Scope
) -> Response:
    started = monotonic()
    prompts = await _prompts(services, batch)
    tokenise_seconds = monotonic() - started if batch.field == "text" else 0.0
    async with _entered(services, body, batch, tag, prompts) as calls:
        each = list(zip(batch.items, calls, strict=True))
        results = await together([services.controller.generate(call, item.rid) for item, call in each])
        done = zip(each, results, strict=True)
        answers = [whole(item.rid, call, got) async for (item, call), got in unhurried(done)]
        response = JsonResponse(answers[0] if batch.single else answers)
        tell_timing(response, scope, tokenise_seconds, results, services.metrics.meters.answered)
        return response


async def _events(
    services: ApiServices, body: GenerateBody, batch: Batch, tag: WorkflowTag
) -> AsyncGenerator[bytes, None]:
    prompts = await _prompts(services, batch)
    async with _entered(services, body, batch, tag, prompts) as calls:
        each = list(zip(batch.items, calls, strict=True))
        growing = [Growing(item.rid, call) for item, call in each]
        streams = [services.controller.stream(call, item.rid) for item, call in each]
        async with aclosing(merged(streams)) as parts:
            async for index, part in parts:
                event = growing[index].event(part)
                yield sse(event if batch.single else event | {"index": index})
    yield _DONE


def _last_event(error: SluiceError) -> bytes:
    return sse(error_body(error)) + _DONE


async def _prompts(services: ApiServices, batch: Batch) -> list[EncodedPrompt]:
    limit = services.controller.workers.context_length
    return [
        await services.encoder.encode_text(prompt, most_tokens=limit)
        if isinstance(prompt, str)
        else prompt_from_ids(prompt)
        for prompt in batch.prompts
    ]


@asynccontextmanager
async def _entered(
    services: ApiServices, body: GenerateBody, batch: Batch, tag: WorkflowTag, prompts: list[EncodedPrompt]
) -> AsyncIterator[list[CallRequest]]:
    """Check the calls, enter their workflow and yield them.

    Raises:
        SluiceError: they can't be accepted.
    """
    limits = [
        _checked_limit(services, batch.field, item, prompts[item.prompt])
        async for item in unhurried(batch.items)
    ]
    async with entered(services.external, tag, len(batch.items)) as places:
        each = zip(batch.items, limits, places, strict=True)
        yield [
            _call(body, item, prompts[item.prompt], limit, tag, place)
            async for item, limit, place in unhurried(each)
        ]


def _checked_limit(services: ApiServices, field: str, item: BatchItem, prompt: EncodedPrompt) -> int:
    """Return the most output tokens of a call that can be accepted.

    Raises:
        SluiceError: it can't.
    """
    controller = services.controller
    limit = item.sampling.max_new_tokens
    if limit is None:
        limit = max(0, (controller.workers.context_length or 0) - prompt.tokens)
    controller.check_length(prompt.tokens, limit, field)
    controller.check_rid(item.rid)
    sampling = item.sampling.model_dump(include={SEED, "temperature", "top_k"}, exclude_none=True)
    check_seed(controller.workers, sampling, f"sampling_params.{SEED}")
    if item.logprobs and item.logprobs["logprob_start_len"] > prompt.tokens:
        raise InvalidRequestError(
            f"logprob_start_len {item.logprobs['logprob_start_len']} is behind the prompt, which has "
            f"{prompt.tokens} tokens",
            field="logprob_start_len",
        )
    return limit


def _call(
    body: GenerateBody,
    item: BatchItem,
    prompt: EncodedPrompt,
    max_new_tokens: int,
    tag: WorkflowTag,
    place: Place,
) -> CallRequest:
    return CallRequest(
        place=place,
        stage=tag.stage,
        prompt=prompt,
        sampling=item.sampling.model_dump(exclude={"max_new_tokens", "n"}, exclude_none=True),
        max_new_tokens=max_new_tokens,
        priority=tag.priority,
        logprobs=item.logprobs,
        stream=body.stream,
    )
