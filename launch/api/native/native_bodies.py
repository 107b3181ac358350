"""Request bodies of SGLang's own routes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import ConfigDict, Discriminator, Field, FiniteFloat, Tag, model_validator

from launch.api.bodies import (
    Body,
    CallBody,
    LogitBias,
    Rid,
    StopPatterns,
    Stops,
    StopTokenIds,
    TopK,
    nullable,
)
from launch.api.native.sglang_fields import REQUEST_FIELDS, SAMPLING_FIELDS, refuse
from sched.errors import InvalidRequestError

MAX_CALLS = 4096
"""So many calls may be in one request: its prompts times ``n``."""
SHAPES = ("<one>", "<many>")
"""Not part of a field's name: pydantic says with it whether a list was given."""

T = TypeVar("T")


def _shape(value: Any) -> str:
    return SHAPES[isinstance(value, list)]


def _shape_of_ids(value: Any) -> str:
    return SHAPES[isinstance(value, list) and bool(value) and isinstance(value[0], list)]


_One, _Many = Tag(SHAPES[0]), Tag(SHAPES[1])
_Ids = Annotated[list[int], Field(fail_fast=True)]  # their range: ``tokens.prompt_from_ids``

_Listed = Field(fail_fast=True)

OneOrMany = Annotated[Annotated[T, _One] | Annotated[list[T], _Listed, _Many], Discriminator(_shape)]
"""A value for all prompts, or a list with one for each."""
IdsOrMany = Annotated[
    Annotated[_Ids, _One] | Annotated[list[_Ids], _Listed, _Many], Discriminator(_shape_of_ids)
]
"""The same, where a value is itself a list."""


class SamplingParams(Body):
    """SGLang's sampling parameters; ``null`` means the default.

    ``max_new_tokens`` of ``null`` means as many as fit into the context.
    """

    _GRAMMARS: ClassVar[tuple[str, ...]] = ("json_schema", "regex", "ebnf", "structural_tag")

    max_new_tokens: int | None = Field(128, ge=0)
    min_new_tokens: int | None = Field(None, ge=0)
    temperature: FiniteFloat | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: TopK | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    stop: Stops | None = None
    stop_token_ids: StopTokenIds | None = None
    stop_regex: StopPatterns | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    no_stop_trim: bool | None = None
    n: int | None = Field(None, ge=1, le=MAX_CALLS)
    json_schema: str | None = None
    regex: str | None = None
    ebnf: str | None = None
    structural_tag: str | None = None
    logit_bias: LogitBias | None = None
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


class GenerateBody(CallBody):
    """``POST /generate``: SGLang's request, and the workflow it belongs to.

    With a list of prompts, or ``n`` over 1, it is a batch: its calls are siblings in one workflow, and the
    answer is a list.  ``n`` must be the same for all prompts.  ``model``: the served one's name, if any.
    """

    model_config = ConfigDict(json_schema_extra=nullable)

    text: OneOrMany[str] | None = None
    input_ids: IdsOrMany | None = None
    sampling_params: OneOrMany[SamplingParams] = SamplingParams()
    return_logprob: OneOrMany[bool] = False
    logprob_start_len: OneOrMany[Annotated[int, Field(ge=-1)]] = -1
    top_logprobs_num: OneOrMany[Annotated[int, Field(ge=0)]] = 0
    token_ids_logprob: IdsOrMany | None = None
    return_text_in_logprobs: bool = False
    stream: bool = False
    model: str | None = None
    rid: OneOrMany[Rid] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> Any:
        data = refuse(data, REQUEST_FIELDS)
        if not isinstance(data, dict):
            return data
        # SGLang's clients send null for what they don't set.
        return {name: value for name, value in data.items() if value is not None}

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if self.text is None and self.input_ids is None:
            raise InvalidRequestError("a prompt is missing: give text or input_ids", field="text")
        if self.text is not None and self.input_ids is not None:
            raise InvalidRequestError("text and input_ids exclude each other: give one", field="input_ids")
        return self


class AbortBody(Body):
    """``POST /abort_request``: the call to cancel, by the ``rid`` that its client gave it, or all calls."""

    rid: Annotated[str, Field(max_length=256)] | None = None
    abort_all: bool = False

    @model_validator(mode="after")
    def _something_named(self) -> Self:
        if not self.rid and not self.abort_all:
            raise InvalidRequestError("name a call: give its rid, or abort_all", field="rid")
        return self
