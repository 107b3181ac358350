"""OpenAI's answers as the OpenAPI document describes them.  The routes build them as plain dictionaries."""

from __future__ import annotations

from typing import Any, Literal

from launch.api.answer_models import AnswerModel, Scheduling


class PromptTokensDetails(AnswerModel):
    """``cached_tokens``: tokens of the prompts that a runtime's cache held."""

    cached_tokens: int


class CompletionTokensDetails(AnswerModel):
    """``reasoning_tokens``: tokens that the model thought."""

    reasoning_tokens: int


class Usage(AnswerModel):
    """Tokens of a request; a prompt counts once, however many choices it has."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | None = None


class Choice(AnswerModel):
    """One output; ``matched_stop`` is the stop string or token that ended it, ``sluice`` our part."""

    index: int
    finish_reason: Literal["stop", "length", "tool_calls"]
    logprobs: dict[str, Any] | None
    matched_stop: str | int | None
    sluice: Scheduling


class ToolCallFunction(AnswerModel):
    """What is called; ``arguments`` are JSON, if the model ended it."""

    name: str
    arguments: str


class ToolCall(AnswerModel):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: ToolCallFunction


class ChatMessage(AnswerModel):
    """The assistant's message; ``content`` is null where it only calls tools."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class AnsweredQuestion(AnswerModel):
    """The workflow by which a database answered."""

    workflow_id: str
    database: str
    status: str | None
    sql: str | None
    seconds: float
    deadline_met: bool


class ChatChoice(Choice):
    """A choice of a chat; ``sluice`` is the workflow's where a database answers."""

    message: ChatMessage
    sluice: Scheduling | AnsweredQuestion  # type: ignore[assignment]


class CompletionChoice(Choice):
    """A choice of a completion."""

    text: str


class ChatAnswer(AnswerModel):
    """OpenAI's ``chat.completion``."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class CompletionAnswer(AnswerModel):
    """OpenAI's ``text_completion``."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage


class ModelCard(AnswerModel):
    """A model; ``max_model_len`` is its context in tokens."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    max_model_len: int | None


class ModelList(AnswerModel):
    """The models."""

    object: Literal["list"]
    data: list[ModelCard]
