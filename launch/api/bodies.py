"""Request bodies: what a client may send, checked before anything is queued."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

from launch.api.sglang_fields import REQUEST_FIELDS, SAMPLING_FIELDS, refuse
from sched.errors import InvalidRequestError

_MAX_STOPS = 32
_MAX_STOP_REGEX_BYTES = 256
_NAME = r"^[A-Za-z0-9_.:@-]+$"

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=_NAME)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Body(BaseModel):
    """Base of the bodies: unknown fields are refused, and types aren't converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    return pattern


_OneOrMore = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
Stops = Annotated[list[str], Field(max_length=_MAX_STOPS), _OneOrMore]
StopPatterns = Annotated[
    list[Annotated[str, AfterValidator(_regex)]], Field(max_length=_MAX_STOPS), _OneOrMore
]


class SamplingParams(Body):
    """SGLang's sampling parameters; ``null`` means the default.

    ``max_new_tokens`` of ``null`` means as many as fit into the context.
    """

    _GRAMMARS: ClassVar[tuple[str, ...]] = ("json_schema", "regex", "ebnf", "structural_tag")

    max_new_tokens: int | None = Field(128, ge=0)
    min_new_tokens: int | None = Field(None, ge=0)
    temperature: FiniteFloat | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: Annotated[int, AfterValidator(_top_k)] | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    stop: Stops | None = None
    stop_token_ids: list[TokenId] | None = None
    stop_regex: StopPatterns | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    no_stop_trim: bool | None = None
    n: Literal[1] | None = None
    json_schema: str | None = None
    regex: str | None = None
    ebnf: str | None = None
    structural_tag: str | None = None
    logit_bias: dict[Annotated[str, Field(pattern=r"^\d+$")], FiniteFloat] | None = None
    sampling_seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> Any:
        return refuse(data, SAMPLING_FIELDS, "sampling_params.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [name for name in self._GRAMMARS if getattr(self, name)]
        if len(given) > 1:
            raise InvalidRequestError(
                f"{' and '.join(given)} exclude each other: give one", field=f"sampling_params.{given[1]}"
            )
        if self.max_new_tokens is not None and (self.min_new_tokens or 0) > self.max_new_tokens:
            raise InvalidRequestError(
                f"min_new_tokens {self.min_new_tokens} is over max_new_tokens {self.max_new_tokens}",
                field="sampling_params.min_new_tokens",
            )
        return self


class WorkflowBody(Body):
    """The workflow that a call belongs to, for agents that run workflows of their own.

    The first call with an ``id`` begins the workflow; ``last`` ends it with this call.  ``siblings`` is
    the number of calls of this ``stage`` that run side by side, this one included.  Without an ``id``
    the call is a workflow of its own.
    """

    id: Name | None = None
    stage: Name = "generate"
    slo_seconds: Seconds | None = None
    siblings: int = Field(1, ge=1, le=1024)
    database: Name | None = None
    last: bool = False
    tenant: Name = "default"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.id is None and self.siblings > 1:
            raise InvalidRequestError("siblings need a workflow they share: give its id", field="workflow.id")
        return self


class GenerateBody(Body):
    """``POST /generate``: SGLang's request for one prompt, and the workflow it belongs to."""

    text: str | None = None
    input_ids: Annotated[list[TokenId], Field(fail_fast=True)] | None = None
    sampling_params: SamplingParams = SamplingParams()
    stream: bool = False
    rid: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    workflow: WorkflowBody = WorkflowBody()

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> Any:
        data = refuse(data, REQUEST_FIELDS)
        if not isinstance(data, dict):
            return data
        for field in ("text", "sampling_params", "rid"):
            if isinstance(data.get(field), list):
                raise _one_prompt(field)
        ids = data.get("input_ids")
        if isinstance(ids, list) and ids and isinstance(ids[0], list):
            raise _one_prompt("input_ids")
        # SGLang's clients send null for what they don't set.
        return {name: value for name, value in data.items() if value is not None}

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if self.text is None and self.input_ids is None:
            raise InvalidRequestError("a prompt is missing: give text or input_ids", field="text")
        if self.text is not None and self.input_ids is not None:
            raise InvalidRequestError("text and input_ids exclude each other: give one", field="input_ids")
        return self


def _one_prompt(field: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{field} is a list, but a request is one prompt here: send one request per prompt", field=field
    )


class AbortBody(Body):
    """``POST /abort_request``: the call to cancel, by the ``rid`` that its client gave it."""

    rid: Annotated[str, Field(min_length=1, max_length=256)]
    abort_all: Literal[False] = False


class QuestionBody(Body):
    """``POST /v1/text2sql``.  ``database`` may be left out where there is only one."""

    question: Annotated[str, Field(max_length=10_000, examples=["How many customers live in Berlin?"])]
    database: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    slo_seconds: Seconds | None = Field(
        None, description="The deadline, from now; the default is the server's."
    )
    candidates: int | None = Field(None, ge=1, le=8, description="How many candidates compete.")
    stream: bool = Field(False, description="Answer with server-sent events while the workflow runs.")

    @model_validator(mode="after")
    def _something_asked(self) -> Self:
        if not self.question.strip():
            raise InvalidRequestError("the question is empty", field="question")
        return self
