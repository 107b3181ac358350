"""The calls behind a request: one per choice, siblings in one workflow, scheduled like all others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine.controller.calls import CallRequest, CallResult, Place
from engine.controller.controller import Controller
from engine.controller.external_workflows import WorkflowTag
from engine.controller.prompt_encoder import EncodedPrompt
from engine.wire.chat_output import Reading
from engine.wire.messages import Chunk
from launch.api.openai.request_models import OpenAiBody
from launch.api.scheduling import scheduling
from launch.api.seeds import check_seed, of_choice
from launch.api.services import ApiServices
from launch.api.siblings import entered, merged, together, unhurried
from sched.errors import InvalidRequestError


class ContextLengthError(InvalidRequestError):
    """Prompt and output don't fit into the context; clients know OpenAI's code for it."""

    code = "context_length_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for: ``body.n`` choices for each of ``prompts``, which ``prompt_field`` holds.

    ``tokenise_seconds`` is how long the prompts took.
    ``defaults`` are the model's sampling parameters where the client set none.  ``top_logprobs`` is
    ``None`` where no log probabilities are wanted.  ``reading``: how outputs are read, if they are messages.
    """

    body: OpenAiBody
    rid: str
    tag: WorkflowTag
    prompts: Sequence[EncodedPrompt]
    prompt_field: str
    tokenise_seconds: float
    top_logprobs: int | None
    defaults: dict[str, float]
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A finished call."""

    call: CallRequest
    result: CallResult


async def finished(services: ApiServices, asked: Asked) -> list[Done]:
    """Run the calls and return their results, prompt by prompt.

    Raises:
        SluiceError: a call was refused or failed; the others are cancelled.
    """
    async with _calls(services, asked) as calls:
        results = await together([services.controller.generate(call, rid) for rid, call in calls])
        return [Done(call, result) for (_, call), result in zip(calls, results, strict=True)]


async def streamed(services: ApiServices, asked: Asked) -> AsyncGenerator[tuple[int, Chunk | Done], None]:
    """Yield the output of the calls as it comes, and, last of each, its end, with the call's index.

    Raises:
        SluiceError: as :func:`finished`.
    """
    async with _calls(services, asked) as calls:
        streams = [services.controller.stream(call, rid) for rid, call in calls]
        async with aclosing(merged(streams)) as parts:
            async for index, part in parts:
                yield index, Done(calls[index][1], part) if isinstance(part, CallResult) else part[0]


@asynccontextmanager
async def _calls(services: ApiServices, asked: Asked) -> AsyncIterator[list[tuple[str, CallRequest]]]:
    """Check the calls, enter their workflow and yield them with their names."""
    body, controller = asked.body, services.controller
    sampling = asked.defaults | body.sampling()
    check_seed(controller.workers, sampling, "seed")
    limits = [_limit(controller, prompt, asked) for prompt in asked.prompts]
    limited = [
        (*pair, of_choice(sampling, n))
        for pair in zip(asked.prompts, limits, strict=True)
        for n in range(body.n)
    ]
    rids = [asked.rid] if len(limited) == 1 else [f"{asked.rid}_{index}" for index in range(len(limited))]
    for rid in rids:
        controller.check_rid(rid)
    async with entered(services.external, asked.tag, len(limited)) as places:
        each = zip(places, limited, strict=True)
        calls = [_call(asked, place, *limited_call) async for place, limited_call in unhurried(each)]
        yield list(zip(rids, calls, strict=True))


def _limit(controller: Controller, prompt: EncodedPrompt, asked: Asked) -> int:
    """Return the limit of a call's output in tokens.

    Raises:
        UnavailableError: no runtime is up.
        ContextLengthError: the prompt, or it and the output, are longer than the context.
    """
    try:
        controller.check_length(prompt.tokens, 0, asked.prompt_field)
    except InvalidRequestError as error:
        raise ContextLengthError(error.message, field=error.field) from error
    room = (controller.workers.context_length or 0) - prompt.tokens
    limit = asked.body.max_new_tokens
    if limit is None:
        return room
    if limit > room:
        raise ContextLengthError(
            f"{prompt.tokens} prompt tokens and {limit} tokens of output exceed the context of "
            f"{prompt.tokens + room} tokens: ask for at most {room}",
            field="max_tokens",
        )
    return limit


def _call(
    asked: Asked, place: Place, prompt: EncodedPrompt, limit: int, sampling: Mapping[str, Any]
) -> CallRequest:
    logprobs: dict[str, Any] = {}
    if asked.top_logprobs is not None:
        logprobs = {"return_logprob": True, "top_logprobs_num": asked.top_logprobs}
    return CallRequest(
        place=place,
        stage=asked.tag.stage,
        prompt=prompt,
        sampling=sampling,
        max_new_tokens=limit,
        stream=asked.body.stream,
        priority=asked.tag.priority,
        logprobs=logprobs,
        reading=asked.reading,
    )


def usage(done: Sequence[Done], n: int) -> dict[str, Any]:
    """Return the tokens of a request; the ``n`` choices of a prompt share it, so it counts once."""
    answers = [each.result.answer for each in done]
    prompts = answers[::n]
    prompt_tokens = sum(answer.prompt_tokens for answer in prompts)
    output_tokens = sum(answer.output_tokens for answer in answers)
    thinking = sum(answer.meta.get("reasoning_tokens") or 0 for answer in answers)
    of_output = {"completion_tokens_details": {"reasoning_tokens": thinking}} if thinking else {}
    return of_output | {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": prompt_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": sum(answer.cached_tokens for answer in prompts)},
    }


def finish(done: Done) -> dict[str, Any]:
    """Return what a choice says of its end: OpenAI's reason, SGLang's ``matched_stop``, and our part."""
    answer = done.result.answer
    reason, why = answer.finish_reason, "stop"
    if reason.get("type") == "length":
        why = "length"
    elif answer.message is not None and answer.message.calls:
        why = "tool_calls"
    return {
        "finish_reason": why,
        "matched_stop": None if why == "tool_calls" else reason.get("matched"),
        "sluice": scheduling(done.call, done.result.entry),
    }
