"""The messages of a chat: texts by a system, a user or an assistant."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, model_validator

from launch.api.bodies import Body, few_fields


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
    """A message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        Any,
        AfterValidator(_is_text),
        BeforeValidator(_content, json_schema_input_type=str | list[TextPart]),
    ]
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_tools(cls, data: Any) -> Any:
        if not isinstance(few_fields(data), dict):
            return data
        if data.get("role") in ("tool", "function") or data.get("tool_calls") or data.get("function_call"):
            raise ValueError("tools aren't supported here yet: send their results as a user's message")
        # Clients send answers back as they came.
        empty = ("tool_calls", "annotations", "refusal", "audio", "function_call")
        return {name: value for name, value in data.items() if value or name not in empty}
