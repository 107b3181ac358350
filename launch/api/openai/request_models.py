"""Request bodies of OpenAI's routes, with SGLang's extra fields and the workflow that a call belongs to."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from launch.api.bodies import (
    Body,
    CallBody,
    Few,
    LogitBias,
    Rid,
    StopPatterns,
    Stops,
    StopTokenIds,
    TopK,
)
from launch.api.openai.chat_messages import ConversationMessage
from launch.api.openai.tool_models import NamedTool, ToolChoice, Tools
from launch.api.openai.unserved_fields import without_unused
from sched.errors import InvalidRequestError

MAX_CHOICES = 128
MAX_CALLS = 1024
"""Prompts times choices of one request."""

TopLogprobs = Annotated[int, Field(ge=0, le=20)]


MAX_MESSAGES = 4096
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class StreamOptions(Body):
    """``include_usage``: a last chunk before ``[DONE]`` tells the usage.

    ``continuous_usage_stats``: each chunk tells the usage of its choice so far.
    """

    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None
    continuous_usage_stats: bool | None = None


class JsonSchema(Body):
    """A JSON schema; the output always follows it, whatever ``strict`` says."""

    name: str = "schema"
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    """What form the output takes."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Annotated[JsonSchema, Few] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema must be given with type json_schema, and only with it")
        return self


class OpenAiBody(CallBody):
    """What chats and completions have in common; ``null`` means the default.

    ``n`` choices run as siblings.  ``rid`` names the request for ``/abort_request``; with several calls,
    ``rid_0``, ``rid_1`` … name them.  ``user`` and the fields after it are labels, of any form, that may say
    whose the request is (``launch/api/agents/agent_names.py``).
    """

    _SAMPLING: ClassVar[dict[str, str]] = {"min_tokens": "min_new_tokens", "seed": "sampling_seed"} | {
        name: name
        for name in (
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "frequency_penalty",
            "presence_penalty",
            "repetition_penalty",
            "stop",
            "stop_token_ids",
            "stop_regex",
            "no_stop_trim",
            "ignore_eos",
            "skip_special_tokens",
            "logit_bias",
        )
    }

    model: str | None = None
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    max_tokens: int | None = Field(None, ge=1)
    temperature: FiniteFloat | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: LogitBias | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: Stops | None = None
    response_format: Annotated[ResponseFormat, Few] | None = None
    stream: bool = False
    stream_options: Annotated[StreamOptions, Few] = StreamOptions()

    top_k: TopK | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    min_tokens: int | None = Field(None, ge=0)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    stop_token_ids: StopTokenIds | None = None
    stop_regex: StopPatterns | None = None
    no_stop_trim: bool | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    regex: str | None = None
    ebnf: str | None = None
    json_schema: str | None = None
    rid: Rid | None = None

    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    conversation: Any = None
    prompt_cache_key: Any = None

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, data: Any) -> Any:
        return without_unused(data, cls.model_fields)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.grammar()) > 1:
            raise InvalidRequestError(
                "response_format, json_schema, regex and ebnf exclude each other: give one",
                field="response_format" if self.response_format else "json_schema",
            )
        limit = self.max_new_tokens
        if limit is not None and (self.min_tokens or 0) > limit:
            raise InvalidRequestError(f"min_tokens is over the limit of {limit} tokens", field="min_tokens")
        if not self.stream and "stream_options" in self.model_fields_set:
            raise InvalidRequestError("stream_options need stream: true", field="stream_options")
        return self

    @property
    def max_new_tokens(self) -> int | None:
        """The limit of each choice in tokens; ``None`` for as many as fit into the context."""
        return self.max_tokens

    def sampling(self) -> dict[str, Any]:
        """Return what the client set, as SGLang's sampling parameters without ``max_new_tokens``."""
        given = {theirs: getattr(self, ours) for ours, theirs in self._SAMPLING.items()}
        return {name: value for name, value in given.items() if value is not None} | dict(self.grammar())

    def grammar(self) -> list[tuple[str, str]]:
        """Return the constraints of the output, by SGLang's names; a valid body has at most one."""
        given = [(name, getattr(self, name)) for name in ("json_schema", "regex", "ebnf")]
        form = self.response_format
        if form is not None and form.type == "json_object":
            given.append(("json_schema", '{"type": "object"}'))
        if form is not None and form.json_schema is not None:
            given.append(("json_schema", orjson.dumps(form.json_schema.schema_).decode()))
        return [(name, value) for name, value in given if value]


class ChatBody(OpenAiBody):
    """``POST /v1/chat/completions``.

    ``continue_final_message``: the last message is the beginning of the answer.  ``chat_template_kwargs``
    are variables for the model's chat template; ``reasoning_effort`` is one, too, and sets those by which
    templates know whether the model thinks, as in SGLang.  ``separate_reasoning``: that thinking is the
    ``reasoning_content``, streamed unless ``stream_reasoning`` is false.
    """

    messages: Annotated[
        list[ConversationMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)
    ]
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: TopLogprobs | None = None
    continue_final_message: bool = False
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    reasoning_effort: Effort | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    separate_reasoning: bool = True
    stream_reasoning: bool = True

    @model_validator(mode="after")
    def _chat_consistent(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise InvalidRequestError("top_logprobs need logprobs: true", field="top_logprobs")
        if self.continue_final_message and self.messages[-1].role != "assistant":
            raise InvalidRequestError(
                "continue_final_message needs a last message of the assistant's", field="messages"
            )
        self._check_tools()
        return self

    def _check_tools(self) -> None:
        names = [tool.function.name for tool in self.tools or []]
        if self.must_call and not names:
            raise InvalidRequestError("there are no tools to call: give tools", field="tool_choice")
        if self.called_function is not None and self.called_function not in names:
            raise InvalidRequestError(
                f"{self.called_function!r} is none of the tools: {', '.join(names)}", field="tool_choice"
            )
        if self.may_call and self.grammar():
            raise InvalidRequestError(
                "an output can't both follow this and call tools: leave it out, or set tool_choice to none",
                field="response_format" if self.response_format else self.grammar()[0][0],
            )

    @property
    def template_variables(self) -> dict[str, Any]:
        """The client's variables for the chat template; those that it named itself come first."""
        effort = self.reasoning_effort
        if effort is None:
            return self.chat_template_kwargs
        thinks = effort != "none"
        told = {"reasoning_effort": effort, "thinking": thinks, "enable_thinking": thinks}
        return told | self.chat_template_kwargs

    @property
    def may_call(self) -> bool:
        """Whether the answer may call tools."""
        return bool(self.tools) and self.tool_choice != "none"

    @property
    def must_call(self) -> bool:
        """Whether the answer must call a tool."""
        return self.tool_choice == "required" or self.called_function is not None

    @property
    def called_function(self) -> str | None:
        """The function that must be called, if it is a certain one."""
        return self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else None

    @property
    def max_new_tokens(self) -> int | None:
        """See ``OpenAiBody``."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def top_logprobs_num(self) -> int | None:
        """How many alternatives' log probabilities are wanted; ``None``: no log probabilities at all."""
        return (self.top_logprobs or 0) if self.logprobs else None


def _prompts(value: Any) -> Any:
    """Return the prompts as a list, of texts or of lists of token ids."""
    if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], int)):
        value = [value]
    if not isinstance(value, list) or not value:
        raise ValueError("must be a text, a list of texts, a list of token ids or a list of such lists")
    if not (all(isinstance(prompt, str) for prompt in value) or all(map(_are_ids, value))):
        raise ValueError("every prompt must be a text, or every one a list of token ids from 0 to 2^31 - 1")
    return value


def _are_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(token) is int and 0 <= token < 2**31 for token in value)
    )


class CompletionBody(OpenAiBody):
    """``POST /v1/completions``; a ``prompt`` may be a text or token ids, or a list of either."""

    prompt: Annotated[
        Any,
        BeforeValidator(_prompts, json_schema_input_type=str | list[str] | list[int] | list[list[int]]),
    ]
    max_tokens: int | None = Field(16, ge=1)
    logprobs: TopLogprobs | None = None

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        calls = len(self.prompt) * self.n
        if calls > MAX_CALLS:
            raise InvalidRequestError(
                f"{len(self.prompt)} prompts with n = {self.n} are {calls} calls; a request may have "
                f"{MAX_CALLS}: send several",
                field="prompt",
            )
        return self
