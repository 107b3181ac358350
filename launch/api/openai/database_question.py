"""What a chat asks a database: its last message, with what came before it and the deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from launch.api.identity import workflow_tag
from launch.api.openai.database_answer import sql_in
from launch.api.openai.request_models import ChatBody
from plugins.workflow_kind import WorkflowRequest
from sched.errors import InvalidRequestError

_MOST_EARLIER, _LONGEST = 5, 10_000
_USED = frozenset({"messages", "model", "stream", "stream_options", "workflow", "rid"})
_WITHOUT_EFFECT = frozenset(
    {
        *("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "max_completion_tokens"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "skip_special_tokens"),
        *("user", "safety_identifier", "metadata", "conversation", "prompt_cache_key"),
        *("program_id", "session_id"),
        *("separate_reasoning", "stream_reasoning", "parallel_tool_calls", "chat_template_kwargs"),
        "reasoning_effort",
    }
)
"""What clients send anyway: the workflow samples as its stages need, and takes each question by itself."""
_NOTHING: tuple[Any, ...] = ([], "none", "auto")


def chat_question(
    headers: Mapping[str, str], kind: type[WorkflowRequest], body: ChatBody, database: str
) -> WorkflowRequest:
    """Return the question of a chat, a request of ``kind``.

    The questions before the last one are its conversation, with the SQL of their answers; messages of the
    system or a developer are its evidence.

    Raises:
        InvalidRequestError: names the field that has no meaning for a database, or the messages.
    """
    _check_fields(body)
    messages = [(message.role, _text(message.content)) for message in body.messages]
    role, question = messages[-1]
    if role != "user":
        raise InvalidRequestError("the last message must be the user's: it is the question", field="messages")
    fields = {
        "question": question,
        "database": database,
        "evidence": "\n".join(text for who, text in messages if who in ("system", "developer")),
        "earlier": _earlier(messages[:-1]),
        "slo_seconds": workflow_tag(headers, body.workflow, body.labels()).slo_seconds,
    }
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidRequestError(f"as {where}: {first['msg']}", field="messages") from error
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, field="messages") from error


def _check_fields(body: ChatBody) -> None:
    for name in sorted(body.model_fields_set - _USED - _WITHOUT_EFFECT):
        value = getattr(body, name)
        plain = type(body).model_fields[name].get_default(call_default_factory=True)
        if value != plain and value not in _NOTHING and getattr(value, "type", None) != "text":
            raise InvalidRequestError(f"{name} has no meaning for a database: leave it out", field=name)
    for name in sorted(body.workflow.model_fields_set - {"slo_seconds"}):
        raise InvalidRequestError(
            "a question to a database is a workflow of its own: only slo_seconds can be set of it",
            field=f"workflow.{name}",
        )


def _earlier(messages: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return the latest questions, each with the SQL in the answer behind it."""
    earlier: list[dict[str, str]] = []
    for role, text in messages:
        if role == "user" and text.strip():
            earlier.append({"question": text[:_LONGEST], "sql": ""})
        elif role == "assistant" and earlier:
            earlier[-1]["sql"] = sql_in(text) or earlier[-1]["sql"]
    return earlier[-_MOST_EARLIER:]


def _text(content: str | Sequence[str]) -> str:
    return content if isinstance(content, str) else "\n".join(content)
