"""Input items of a response, and the messages of a chat that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from launch.api.bodies import few_fields

_TEXTS = ("input_text", "output_text", "text")
_MAX_PARTS = 4096


class _Item(BaseModel):
    """Clients send items back as they came, with fields that have no effect here."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    type: str
    id: str | None = Field(None, max_length=256)


def _texts(value: Any) -> Any:
    """Return content with its parts as one text."""
    if not isinstance(value, list):
        return value
    return "".join(_part(part) for part in value)


def _part(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    name = "refusal" if kind == "refusal" else "text"
    if kind not in (*_TEXTS, "refusal", "reasoning_text", "summary_text") or not isinstance(
        part.get(name), str
    ):
        raise ValueError(f"a part must be a text, not {kind!r}: this server takes text only")
    return str(part[name])


_Text = Annotated[str, BeforeValidator(_texts, json_schema_input_type=str | list[dict[str, Any]])]


class MessageItem(_Item):
    """What somebody said."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: _Text


class FunctionCallItem(_Item):
    """A call of a function by the model; ``arguments`` are JSON."""

    type: Literal["function_call"]
    call_id: str = Field(min_length=1, max_length=256)
    name: str = Field(min_length=1, max_length=256)
    arguments: str


class FunctionOutputItem(_Item):
    """What came of a call."""

    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1, max_length=256)
    output: _Text


class ReasoningItem(_Item):
    """What the model thought; its ``content`` is shown to models that look at it."""

    type: Literal["reasoning"]
    content: _Text | None = None


_KINDS: Mapping[str, type[_Item]] = {
    "message": MessageItem,
    "function_call": FunctionCallItem,
    "function_call_output": FunctionOutputItem,
    "reasoning": ReasoningItem,
}
_REMEDIES = {
    "item_reference": "send the item itself, or name the response before with previous_response_id",
}


def _item(value: Any) -> Any:
    if not isinstance(few_fields(value), dict):
        raise ValueError("an item must be an object")
    kind = value.get("type", "message")
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        known_kinds = f"an item must be one of {', '.join(_KINDS)}, not {kind!r}"
        remedy = _REMEDIES.get(kind) if isinstance(kind, str) else None
        raise ValueError(f"{known_kinds}: {remedy}" if remedy else known_kinds)
    return known.model_validate({name: part for name, part in value.items() if part is not None})


InputItem = Annotated[
    Any,
    BeforeValidator(
        _item, json_schema_input_type=MessageItem | FunctionCallItem | FunctionOutputItem | ReasoningItem
    ),
]


def messages_of(items: Iterable[_Item]) -> list[dict[str, Any]]:
    """Return the messages of a chat.

    What the assistant thought, said and called one after another is one message of its.
    """
    found: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, FunctionOutputItem):
            found.append({"role": "tool", "content": item.output, "tool_call_id": item.call_id})
        elif isinstance(item, MessageItem) and item.role != "assistant":
            found.append({"role": item.role, "content": item.content})
        else:
            _add(found, dict(_of_assistant(item)))
    return found


def _of_assistant(item: _Item) -> Iterator[tuple[str, Any]]:
    if isinstance(item, MessageItem):
        yield "content", item.content
    elif isinstance(item, ReasoningItem):
        if item.content:
            yield "reasoning_content", item.content
    elif isinstance(item, FunctionCallItem):
        function = {"name": item.name, "arguments": item.arguments}
        yield "tool_calls", [{"id": item.call_id, "type": "function", "function": function}]


def _add(found: list[dict[str, Any]], said: Mapping[str, Any]) -> None:
    """Let the assistant's last message go on with ``said``, unless that stands before what it has."""
    if not said:
        return
    ((name, value),) = said.items()
    order = ("reasoning_content", "content", "tool_calls")
    last = found[-1] if found and found[-1]["role"] == "assistant" else None
    later = order[order.index(name) + (name == "tool_calls") :]
    if last is None or any(last.get(other) for other in later):
        last = {"role": "assistant", "content": ""}
        found.append(last)
    last[name] = [*last.get(name, ()), *value] if name == "tool_calls" else value


def stored_items(items: Iterable[_Item]) -> list[dict[str, Any]]:
    """Return the items as plain JSON in OpenAI's form, each with an id."""
    return [_stored(item) for item in items]


def _stored(item: _Item) -> dict[str, Any]:
    if isinstance(item, MessageItem):
        prefix, kind = "msg", "output_text" if item.role == "assistant" else "input_text"
        shown: dict[str, Any] = {"role": item.role, "content": [{"type": kind, "text": item.content}]}
    elif isinstance(item, ReasoningItem):
        thought = [{"type": "reasoning_text", "text": item.content}] if item.content else []
        prefix, shown = "rs", {"summary": [], "content": thought}
    else:
        prefix = "fc" if isinstance(item, FunctionCallItem) else "fco"
        shown = item.model_dump(exclude={"id", "type"})
    name = item.id or f"{prefix}_{uuid4().hex}"
    return {"id": name, "type": item.type} | shown | {"status": "completed"}
