"""A database as a model: ``sluice/<database>`` answers a chat's last message as a question."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from fastapi import Request, Response

from engine.controller.timeline import WorkflowRecord
from launch.api.openai.answer_forms import CHAT
from launch.api.openai.database_answer import answer_text
from launch.api.openai.database_question import chat_question
from launch.api.openai.error_form import error_body
from launch.api.openai.request_models import ChatBody
from launch.api.question_workflows import answer_of, question_spec, started, watched
from launch.api.replies import JsonResponse, event_stream, sse, until_disconnected
from launch.api.services import ApiServices
from plugins.workflow_kind import WorkflowRequest
from sched.errors import NotFoundError, SluiceError
from sched.request import WorkflowSpec

PREFIX = "sluice/"
_NEEDED = frozenset({"question", "earlier", "evidence"})
_DONE = b"data: [DONE]\n\n"


def database_of(services: ApiServices, model: str | None) -> str | None:
    """Return the database that ``model`` names, ``None`` for a model of another kind.

    Raises:
        NotFoundError: there is no such database, or this server's workflow answers no chats.
    """
    served = services.model
    if model is None or not model.startswith(PREFIX) or model in (served.name, served.path):
        return None
    known = [name for name, _ in _databases(services)]
    if model not in known:
        raise NotFoundError(
            f"the model {model!r} does not exist; databases are: {', '.join(known) or 'none'}", field="model"
        )
    return model.removeprefix(PREFIX)


def database_cards(services: ApiServices) -> list[dict[str, Any]]:
    """Return the databases as ``/v1/models`` lists them."""
    return [
        {
            "id": name,
            "object": "model",
            "created": services.model.created,
            "owned_by": "sluice",
            "root": database,
            "max_model_len": None,
        }
        for name, database in _databases(services)
    ]


async def database_reply(request: Request, services: ApiServices, body: ChatBody, database: str) -> Response:
    """Answer the last message of ``body`` as a question to ``database``.

    If the client leaves, the workflow is cancelled.

    Raises:
        SluiceError: refused, or failed before a stream began.
    """
    question = chat_question(request.headers, services.kind.request, body, database)
    spec = question_spec(services, question)
    answer = _DatabaseAnswer(services, body)
    headers = {"x-workflow-id": spec.workflow_id}
    if body.stream:
        return await event_stream(request, answer.events(question, spec), _last_event, headers)
    record = started(services, question, spec)
    await until_disconnected(request.receive, services.runner.wait(record))
    return JsonResponse(answer.whole(record), headers=headers)


class _DatabaseAnswer:
    """The answer to a chat, whole or as a stream."""

    def __init__(self, services: ApiServices, body: ChatBody) -> None:
        self._services = services
        self._tells_usage = body.stream_options.include_usage
        rid = body.rid or CHAT.id_prefix + uuid4().hex
        self._head = {"id": rid, "created": int(time.time()), "model": body.model}

    def whole(self, record: WorkflowRecord) -> dict[str, Any]:
        answer = answer_of(record)
        message = {"role": "assistant", "content": answer_text(answer), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None} | _end(answer)
        return {**self._head, "object": CHAT.whole_object, "choices": [choice], "usage": usage_of(record)}

    async def events(self, question: WorkflowRequest, spec: WorkflowSpec) -> AsyncGenerator[bytes, None]:
        """Yield the role at once, comments while the workflow runs, and the answer in one piece."""
        begun = False
        async with aclosing(watched(self._services, question, spec)) as records:
            async for record in records:
                if record is None:
                    role = self._event({"role": "assistant", "content": ""})
                    yield b": the workflow runs\n\n" if begun else role
                    begun = True
                    continue
                answer = answer_of(record)
                yield self._event({"content": answer_text(answer)})
                yield self._event({}, _end(answer))
                if self._tells_usage:
                    yield self._chunk([], usage_of(record))
                yield _DONE

    def _event(self, delta: dict[str, Any], end: Mapping[str, Any] | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None} | dict(end or {"finish_reason": None})
        return self._chunk([choice], None)

    def _chunk(self, choices: Sequence[Any], usage: dict[str, Any] | None) -> bytes:
        chunk = {**self._head, "object": CHAT.part_object, "choices": choices}
        return sse(chunk | {"usage": usage} if self._tells_usage else chunk)


def _databases(services: ApiServices) -> Iterator[tuple[str, str]]:
    """Yield the names as models, and as databases, of those that a chat can ask."""
    if services.kind.request.model_fields.keys() >= _NEEDED:
        for database in services.databases():
            if database.state == "ready":
                yield PREFIX + database.name, database.name


def database_facts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of the workflow beside its answer's text."""
    facts = ("workflow_id", "database", "status", "sql", "seconds", "deadline_met")
    return {name: answer.get(name) for name in facts}


def _end(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"finish_reason": "stop", "matched_stop": None, "sluice": database_facts(answer)}


def usage_of(record: WorkflowRecord) -> dict[str, Any]:
    """Return the tokens of all calls of the workflow that its timeline has."""
    calls = [entry for entry in map(asdict, record.entries) if entry["kind"] == "call"]
    prompt, cached, output = (
        sum(call[name] or 0 for call in calls) for name in ("prompt_tokens", "cached_tokens", "output_tokens")
    )
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _last_event(error: SluiceError) -> bytes:
    return sse(error_body(error)) + _DONE
