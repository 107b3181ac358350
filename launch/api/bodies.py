"""Request bodies: what a client may send, checked before anything is queued."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
)

from engine.wire.stop_patterns import linear
from plugins.workflow_kind import SloSeconds

_MAX_FIELDS = 200
_MAX_STOPS = 32
MAX_LISTED = 16_384
"""Of lists and tables within a body that nothing else bounds."""
_MAX_STOP_REGEX_BYTES = 256
_NULL = {"type": "null"}
_NAME = r"^[A-Za-z0-9_.:@-]+$"

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=_NAME)]
TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Body(BaseModel):
    """Base of the bodies: unknown fields are refused, and types aren't converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def nullable(schema: dict[str, Any]) -> None:
    """Say in the ``schema`` of a body that null may stand for whatever isn't set."""
    for field in schema["properties"].values():
        kind = {name: field.pop(name) for name in set(field) - {"title", "description", "default"}}
        ways = kind["anyOf"] if set(kind) == {"anyOf"} else [kind]
        field["anyOf"] = [*(way for way in ways if way != _NULL), _NULL]


def few_fields(value: Any) -> Any:
    """Return ``value`` unless it is an object with more fields than any has.

    Each unknown field would be a complaint of its own.

    Raises:
        ValueError: it is.
    """
    if isinstance(value, dict) and len(value) > _MAX_FIELDS:
        raise ValueError(f"an object with {len(value)} fields has more than there are")
    return value


Few = BeforeValidator(few_fields)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _top_k(value: int) -> int:
    if value != -1 and value < 1:
        raise ValueError("must be -1 (the whole vocabulary) or at least 1")
    return value


def _regex(pattern: str) -> str:
    if len(pattern.encode()) > _MAX_STOP_REGEX_BYTES:
        raise ValueError(f"a pattern may have {_MAX_STOP_REGEX_BYTES} bytes")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    try:
        linear(pattern)
    except ValueError as error:
        raise ValueError(
            f"{pattern!r} can't be matched in linear time ({error}); write it in RE2's syntax, "
            "without lookaround and backreferences"
        ) from error
    return pattern


TopK = Annotated[int, AfterValidator(_top_k)]
LogitBias = Annotated[
    dict[Annotated[str, Field(pattern=r"^\d+$")], FiniteFloat], Field(max_length=MAX_LISTED)
]
StopTokenIds = Annotated[list[TokenId], Field(max_length=MAX_LISTED, fail_fast=True)]
Rid = Annotated[str, Field(min_length=1, max_length=256)]
_OneOrMore = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
Stops = Annotated[list[str], Field(max_length=_MAX_STOPS), _OneOrMore]
StopPatterns = Annotated[
    list[Annotated[str, AfterValidator(_regex)]], Field(max_length=_MAX_STOPS), _OneOrMore
]


class WorkflowBody(Body):
    """The workflow that a call belongs to, for agents that run workflows of their own.

    The first call with an ``id`` begins the workflow; ``last`` ends it with this call.  ``siblings`` is
    the number of calls of this ``stage`` that run side by side, this one included.  Without an ``id``
    the call is a workflow of its own.
    """

    id: Name | None = None
    stage: Name = "generate"
    slo_seconds: SloSeconds | None = None
    siblings: int = Field(1, ge=1, le=1024)
    database: Name | None = None
    last: bool = False
    tenant: Name = "default"


class CallBody(Body):
    """What bodies that ask for calls have in common.  ``priority``: the larger goes first.

    ``program_id`` or ``session_id`` names the workflow where ``workflow`` doesn't; so do headers
    (``launch/api/identity.py``).
    """

    priority: int = Field(0, ge=-(2**31), le=2**31 - 1)
    workflow: Annotated[WorkflowBody, Few] = WorkflowBody()
    program_id: Annotated[str, Field(min_length=1)] | None = None
    session_id: Annotated[str, Field(min_length=1)] | None = None

    def labels(self) -> dict[str, Any]:
        """Return the fields that the client set and that may say whose a call is."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"workflow"}}


class WorkflowChange(Body):
    """``PATCH /v1/workflows/{id}``: what is to be another one."""

    slo_seconds: SloSeconds = Field(description="The deadline, counted from the workflow's arrival.")
