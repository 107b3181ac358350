"""Tools in a request: what may be called, what must be, and the calls of a conversation so far."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_TOOLS = 512
MAX_CALLS = 512
"""Of one message."""

_CHOICES = ("none", "auto", "required")


class _Lenient(BaseModel):
    """Clients put notes of other services into tools; they have no effect anywhere."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class FunctionDescription(_Lenient):
    """A function that the model may call; ``parameters`` is the JSON schema of its arguments.

    With ``strict`` the arguments always follow it.
    """

    name: str = Field(min_length=1, max_length=256)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(_Lenient):
    """A tool."""

    type: Literal["function"] = "function"
    function: FunctionDescription


class FunctionName(_Lenient):
    """Which function is meant."""

    name: str = Field(min_length=1, max_length=256)


class NamedTool(_Lenient):
    """The function that must be called."""

    type: Literal["function"] = "function"
    function: FunctionName


def _choice(value: Any) -> str | NamedTool:
    if value in _CHOICES:
        return str(value)
    if not isinstance(value, dict) or value.get("type", "function") != "function":
        named = '{"type": "function", "function": {"name": …}}'
        raise ValueError(f"must be one of {', '.join(_CHOICES)} or name a function: {named}")
    return NamedTool.model_validate(value)


ToolChoice = Annotated[
    Any, BeforeValidator(_choice, json_schema_input_type=Literal["none", "auto", "required"] | NamedTool)
]
Tools = Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS, fail_fast=True)]


def _arguments(value: Any) -> Any:
    """Return arguments as text; some clients send the object."""
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


class CalledFunction(_Lenient):
    """What was called; ``arguments`` are JSON, if the model wrote JSON."""

    name: str = Field(min_length=1)
    arguments: Annotated[str, BeforeValidator(_arguments, json_schema_input_type=str | dict[str, Any])] = "{}"


class EarlierCall(_Lenient):
    """A call in a message of the assistant's."""

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction


EarlierCalls = Annotated[list[EarlierCall], Field(max_length=MAX_CALLS, fail_fast=True)]
