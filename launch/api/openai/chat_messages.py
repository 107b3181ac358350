"""The messages of a chat: texts by a system, a user or an assistant, calls of tools and what came of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, model_validator

from launch.api.bodies import Body, few_fields
from launch.api.openai.tool_models import EarlierCalls

_OLD_FORM = "functions are OpenAI's old form: send tool_calls, and what came of them with the role tool"
_MAY_BE_EMPTY = ("tool_calls", "tool_call_id", "annotations", "refusal", "audio", "function_call", "name")
"""Fields that clients send back as they came, or set to nothing."""


class TextPart(BaseModel):
    """A part of a message's content."""

    type: Literal["text"]
    text: str


def _content(value: Any) -> Any:
    """Return a message's content with its parts as texts."""
    if not isinstance(value, list):
        return value
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise ValueError(f"a part must be a text, not {kind!r}: this server takes text only")
    return [part["text"] for part in value]


def _is_text(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise ValueError("must be a text or a list of parts of type text")
    return value


class ConversationMessage(Body):
    """A message of a chat.

    Of the assistant's, ``tool_calls`` are what it called, and ``reasoning_content`` what it thought; it needs
    no ``content``.  A message of the role ``tool`` is what came of the call ``tool_call_id``.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[
        Any,
        AfterValidator(_is_text),
        BeforeValidator(_content, json_schema_input_type=str | list[TextPart] | None),
    ]
    name: str | None = None
    reasoning_content: str | None = None
    tool_calls: EarlierCalls | None = None
    tool_call_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_sent_back(cls, data: Any) -> Any:
        if not isinstance(few_fields(data), dict):
            return data
        if data.get("role") == "function" or data.get("function_call"):
            raise ValueError(_OLD_FORM)
        data = {name: value for name, value in data.items() if value or name not in _MAY_BE_EMPTY}
        if data.get("role") in ("assistant", "tool") and data.get("content") is None:
            data["content"] = ""
        return data
