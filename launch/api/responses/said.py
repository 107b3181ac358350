"""What a model, or a database's workflow, says to a response, whole or as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from engine.controller.calls import CallResult
from engine.wire.chat_output import MessagePart
from launch.api.openai.choices import Asked, Done, finish, finished, streamed, usage
from launch.api.openai.database_answer import answer_text
from launch.api.openai.database_model import database_facts, usage_of
from launch.api.openai.logprobs import chat_logprobs, rows
from launch.api.question_workflows import answer_of, watched
from launch.api.responses.as_chat import in_our_words
from launch.api.services import ApiServices
from plugins.workflow_kind import WorkflowRequest
from sched.request import WorkflowSpec


@dataclass(frozen=True, slots=True)
class SaidPart:
    """A part of a message with the log probabilities of its tokens, as OpenAI has them."""

    part: MessagePart
    logprobs: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end: tokens as a chat tells them, whether the token limit cut it, and our part of it."""

    usage: Mapping[str, Any]
    cut: bool
    sluice: Mapping[str, Any]
    result: CallResult | None = None


Speech = AsyncGenerator[SaidPart | Ended | None, None]
"""``None``: nothing new, but it goes on.  The last one is an :class:`Ended`."""


async def by_model(services: ApiServices, asked: Asked) -> Speech:
    """Yield what the model says: at once, unless the client wants a stream.

    Raises:
        SluiceError: the call was refused or failed.
    """
    with in_our_words():
        if not asked.body.stream:
            (done,) = await finished(services, asked)
            answer = done.result.answer
            told = answer.message or MessagePart(content=answer.text)
            yield SaidPart(told, _logprobs(services, asked, answer.meta))
            yield _ended(done)
            return
        characters = 0
        async with aclosing(streamed(services, asked)) as parts:
            async for _, part in parts:
                if isinstance(part, Done):
                    answer = part.result.answer
                    if answer.message is None and (rest := answer.text[characters:]):
                        yield SaidPart(MessagePart(content=rest))
                    yield _ended(part)
                else:
                    characters += len(part.text)
                    new = MessagePart(content=part.text) if part.part is None else part.part
                    yield SaidPart(new, _logprobs(services, asked, part.logprobs))


async def by_database(services: ApiServices, question: WorkflowRequest, spec: WorkflowSpec) -> Speech:
    """Yield what a database's workflow answers, in one piece.

    Raises:
        SluiceError: the workflow wasn't admitted, or failed.
    """
    async with aclosing(watched(services, question, spec)) as records:
        async for record in records:
            if record is None:
                yield None
                continue
            answer = answer_of(record)
            yield SaidPart(MessagePart(content=answer_text(answer)))
            yield Ended(usage=usage_of(record), cut=False, sluice=database_facts(answer))


def _logprobs(services: ApiServices, asked: Asked, lists: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if asked.top_logprobs is None:
        return []
    return list(chat_logprobs(rows(lists), services.model.token_bytes)["content"])


def _ended(done: Done) -> Ended:
    told = finish(done)
    return Ended(
        usage=usage([done], 1),
        cut=told["finish_reason"] == "length",
        sluice=told["sluice"],
        result=done.result,
    )
