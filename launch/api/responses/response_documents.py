"""Responses as the OpenAPI document describes them.  The routes build them as plain dictionaries."""

from __future__ import annotations

from typing import Any, Literal

from launch.api.answer_models import AnswerModel, Scheduling
from launch.api.openai.response_models import AnsweredQuestion, PromptTokensDetails


class OutputTokensDetails(AnswerModel):
    """``reasoning_tokens``: tokens that the model thought."""

    reasoning_tokens: int


class ResponseUsage(AnswerModel):
    """Tokens of a response, the conversation before it included."""

    input_tokens: int
    input_tokens_details: PromptTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class IncompleteDetails(AnswerModel):
    """Why a response ended early."""

    reason: Literal["max_output_tokens"]


class ResponseFailure(AnswerModel):
    """Why a response failed."""

    code: str
    message: str


class ResponseAnswer(AnswerModel):
    """OpenAI's ``response``; ``output`` has items of the types ``reasoning``, ``message``, ``function_call``.

    ``sluice`` is our part of the call, or the workflow by which a database answered.
    """

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "in_progress", "failed"]
    background: Literal[False]
    error: ResponseFailure | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    model: str
    output: list[dict[str, Any]]
    parallel_tool_calls: bool
    previous_response_id: str | None
    conversation: dict[str, str] | None
    reasoning: dict[str, Any]
    service_tier: Literal["default"]
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    truncation: Literal["disabled"]
    usage: ResponseUsage | None
    user: str | None
    metadata: dict[str, str]
    sluice: Scheduling | AnsweredQuestion | None


class DeletedResponse(AnswerModel):
    """A response that is forgotten."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class InputTokens(AnswerModel):
    """The tokens of a prompt, the conversation before it included."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class InputItemList(AnswerModel):
    """A page of a response's input items; ``last_id`` is the next page's ``after``."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool
