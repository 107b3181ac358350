"""SGLang's native routes: ``/generate`` and ``/abort_request``."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from engine.calls import CallRequest, CallResult
from engine.external import Place, WorkflowTag
from engine.timeline import CallEntry
from engine.tokens import Prompt, prompt_from_ids
from launch.api.answers import AbortAnswer, GenerateAnswer
from launch.api.bodies import AbortBody, GenerateBody
from launch.api.errors import error_body, error_docs
from launch.api.replies import JsonResponse, JsonRoute, event_stream, sse, stream_docs, until_disconnected
from launch.api.services import ApiServices, Services
from sched.errors import Failure, SluiceError

router = APIRouter(route_class=JsonRoute, tags=["SGLang"])

_DONE = b"data: [DONE]\n\n"


@router.post(
    "/generate",
    response_model=GenerateAnswer,
    responses=stream_docs(
        "with `stream` one event per part, each with all of the output so far, then `[DONE]`"
    )
    | error_docs(400, 408, 409, 413, 422, 429, 499, 502, 503, 504),
)
async def generate(body: GenerateBody, request: Request, services: Services) -> Response:
    """Generate text for one prompt, as SGLang's `/generate` does.

    The call waits in the scheduler's queue and runs on the runtime it chooses.  If the client goes away,
    the call is aborted there.
    """
    rid = body.rid or uuid4().hex
    if body.stream:
        return await event_stream(request, _events(services, body, rid), _last_event)
    return JsonResponse(await until_disconnected(request.receive, _answer(services, body, rid)))


@router.post("/abort_request", response_model=AbortAnswer, responses=error_docs(400, 413, 422))
async def abort_request(body: AbortBody, services: Services) -> Response:
    """Abort the call that its client named `rid`; the answer says whether there was one."""
    found = services.controller.cancel_call(body.rid, "the call was aborted by /abort_request")
    return JsonResponse({"rid": body.rid, "found": found})


async def _answer(services: ApiServices, body: GenerateBody, rid: str) -> dict[str, Any]:
    async with _entered(services, body, rid) as call:
        return _whole(rid, call, await services.controller.generate(call, rid))


async def _events(services: ApiServices, body: GenerateBody, rid: str) -> AsyncGenerator[bytes, None]:
    text = ""
    output_ids: list[int] = []
    async with (
        _entered(services, body, rid) as call,
        aclosing(services.controller.stream(call, rid)) as parts,
    ):
        async for part in parts:
            if isinstance(part, CallResult):
                yield sse(_whole(rid, call, part))
                continue
            chunk, entry = part
            text += chunk.text
            output_ids += array("i", chunk.token_ids)
            meta = _meta_info(rid, entry, len(output_ids), None)
            yield sse({"text": text, "output_ids": output_ids, "meta_info": meta})
    yield _DONE


def _last_event(error: SluiceError) -> bytes:
    return sse(error_body(error)) + _DONE


@asynccontextmanager
async def _entered(services: ApiServices, body: GenerateBody, rid: str) -> AsyncIterator[CallRequest]:
    """Check the request, enter its workflow and yield the call to run in it.

    Raises:
        SluiceError: the call can't be accepted.
    """
    prompt = await _prompt(services, body)
    params = body.sampling_params
    limit = params.max_new_tokens
    if limit is None:
        limit = max(0, (services.controller.workers.context_length or 0) - prompt.tokens)
    services.controller.check_length(prompt.tokens, limit, "text" if body.input_ids is None else "input_ids")
    services.controller.check_rid(rid)
    place = services.external.enter(_tag(body))
    failure: Failure | None = Failure("cancelled", "its client went away")
    try:
        yield _call(body, prompt, limit, place)
        failure = None
    except Exception as error:
        failure = Failure(getattr(error, "code", SluiceError.code), str(error))
        raise
    finally:
        services.external.leave(place, failure)


async def _prompt(services: ApiServices, body: GenerateBody) -> Prompt:
    if body.input_ids is not None:
        return prompt_from_ids(body.input_ids)
    return await services.encoder.encode_text(body.text or "")


def _tag(body: GenerateBody) -> WorkflowTag:
    fields = body.workflow.model_dump()
    return WorkflowTag(workflow_id=fields.pop("id"), **fields)


def _call(body: GenerateBody, prompt: Prompt, max_new_tokens: int, place: Place) -> CallRequest:
    return CallRequest(
        workflow_id=place.record.spec.workflow_id,
        stage=place.stage,
        prompt=prompt,
        sampling=body.sampling_params.model_dump(exclude={"max_new_tokens"}, exclude_none=True),
        max_new_tokens=max_new_tokens,
        join_id=place.join_id,
        join_size=place.join_size,
        branch=place.branch,
        ends_branch=place.join_id is not None,
        stream=body.stream,
    )


def _whole(rid: str, call: CallRequest, result: CallResult) -> dict[str, Any]:
    """Return SGLang's answer for a finished call."""
    answer, entry = result.answer, result.entry
    meta = dict(answer.meta) | _meta_info(rid, entry, answer.output_tokens, answer.finish_reason)
    meta["e2e_latency"] = entry.total_seconds
    meta["sluice"] = {
        "workflow_id": call.workflow_id,
        "stage": entry.stage,
        "runtime": entry.runtime,
        "attempts": entry.attempts,
        "waited_seconds": entry.waited_seconds,
        "ttft_seconds": entry.ttft_seconds,
        "decision": None if entry.decision is None else asdict(entry.decision),
    }
    return {"text": answer.text, "output_ids": result.output_ids, "meta_info": meta}


def _meta_info(rid: str, entry: CallEntry, output_tokens: int, finish_reason: Any) -> dict[str, Any]:
    return {
        "id": rid,
        "finish_reason": finish_reason,
        "prompt_tokens": entry.prompt_tokens,
        "completion_tokens": output_tokens,
        "cached_tokens": entry.cached_tokens,
    }
