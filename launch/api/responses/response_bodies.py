"""The body of ``POST /v1/responses``: OpenAI's fields, SGLang's extra ones, and the workflow of the call."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from launch.api.bodies import Body, CallBody, Few, LogitBias, Stops, StopTokenIds, TopK
from launch.api.openai.request_models import MAX_MESSAGES, Effort, TopLogprobs
from launch.api.openai.tool_models import MAX_TOOLS
from launch.api.openai.unserved_fields import Unserved, refusals, without
from launch.api.responses.input_items import InputItem
from sched.errors import InvalidRequestError

LOGPROBS = "message.output_text.logprobs"
_INCLUDED = (LOGPROBS, "reasoning.encrypted_content")
_CHOICES = ("none", "auto", "required")
_UNSERVED: Unserved = refusals(
    {
        "background": ([False], "an answer is given to the request that asks for it: leave it out"),
        "prompt": ([], "no prompts are stored here: send instructions and input"),
        "truncation": (["disabled"], "send a shorter conversation: nothing is left out of one"),
        "service_tier": (
            ["auto", "default"],
            "there are no tiers here; give a deadline in workflow.slo_seconds",
        ),
        "verbosity": (["medium"], "say in the instructions how long the answer shall be"),
    }
)
_WITHOUT_EFFECT = frozenset({"max_tool_calls", "prompt_cache_retention", "stream_options"})
"""Limits of tools that the service itself runs, and hints for caches and proxies."""


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class ResponseTool(_Tolerant):
    """A function that the model may call; with ``strict`` its arguments always follow ``parameters``."""

    type: Literal["function"]
    name: str = Field(min_length=1, max_length=256)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseToolChoice(_Tolerant):
    """The function that must be called, or (``allowed_tools``) those of the tools that may be or must be."""

    type: Literal["function", "allowed_tools"]
    name: str | None = Field(None, min_length=1, max_length=256)
    mode: Literal["auto", "required"] = "auto"
    tools: Annotated[list[dict[str, Any]], Field(max_length=MAX_TOOLS)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.type == "function") != (self.name is not None):
            raise ValueError("a function has a name, and allowed_tools have tools")
        if (self.type == "allowed_tools") != (self.tools is not None):
            raise ValueError("allowed_tools have tools")
        return self

    @property
    def allowed(self) -> frozenset[str]:
        """The names of the tools that are left to choose from."""
        return frozenset(str(tool.get("name")) for tool in self.tools or ())


def _tool(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind != "function":
        raise ValueError(f"a tool must be a function, not {kind!r}: this server runs no tools of its own")
    return value


def _choice(value: Any) -> str | ResponseToolChoice:
    if isinstance(value, str) and value in _CHOICES:
        return value
    if not isinstance(value, dict) or value.get("type") not in ("function", "allowed_tools"):
        named = '{"type": "function", "name": …}'
        raise ValueError(f"must be one of {', '.join(_CHOICES)}, name a function: {named}, or allow some")
    return ResponseToolChoice.model_validate(value)


class TextFormat(Body):
    """What form the text takes; with a ``schema`` it always follows it, whatever ``strict`` says."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = "schema"
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.type == "json_schema") != (self.schema_ is not None):
            raise ValueError("schema must be given with type json_schema, and only with it")
        return self


class TextOptions(Body):
    """The form of the text."""

    format: Annotated[TextFormat, Few] | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, data: Any) -> Any:
        return without(data, cls.model_fields, _WITHOUT_EFFECT, _UNSERVED)


def _input(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if not isinstance(value, list):
        raise ValueError("must be a text or a list of items")
    return value


_ConversationId = Annotated[str, Field(min_length=1, max_length=256)]


def _conversation(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


class ReasoningOptions(_Tolerant):
    """How much the model shall think; thinking is told whole, so that a ``summary`` has no effect."""

    effort: Effort | None = None


class ResponsesBody(CallBody):
    """``POST /v1/responses``; ``null`` means the default.

    ``input`` follows what the response ``previous_response_id``, or the latest of the ``conversation``, was
    asked and answered; ``instructions`` are of this response only.  Without ``store`` nobody can refer to it.
    The ``user`` and the labels after it may say whose the request is (``launch/api/agents/agent_names.py``).
    """

    SAMPLING: ClassVar = (
        *("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty"),
        *("repetition_penalty", "logit_bias", "seed", "stop", "stop_token_ids", "ignore_eos", "min_tokens"),
        *("skip_special_tokens", "chat_template_kwargs"),
    )

    model: str | None = None
    input: Annotated[
        list[InputItem],
        Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True),
        BeforeValidator(_input, json_schema_input_type=str | list[InputItem]),
    ]
    instructions: str | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    conversation: (
        Annotated[
            _ConversationId, BeforeValidator(_conversation, json_schema_input_type=str | dict[str, str])
        ]
        | None
    ) = None
    store: bool = True
    max_output_tokens: int | None = Field(None, ge=1)
    temperature: FiniteFloat | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_logprobs: TopLogprobs | None = None
    include: Annotated[list[str], Field(max_length=32)] | None = None
    metadata: dict[str, str] | None = Field(None, max_length=16)
    tools: Annotated[
        list[Annotated[ResponseTool, BeforeValidator(_tool)]], Field(max_length=MAX_TOOLS, fail_fast=True)
    ] = Field(default_factory=list)
    tool_choice: Annotated[
        Any,
        BeforeValidator(
            _choice, json_schema_input_type=Literal["none", "auto", "required"] | ResponseToolChoice
        ),
    ] = "auto"
    parallel_tool_calls: bool = True
    text: Annotated[TextOptions, Few] = TextOptions()
    reasoning: Annotated[ReasoningOptions, Few] = ReasoningOptions()
    stream: bool = False

    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: Stops | None = None
    stop_token_ids: StopTokenIds | None = None
    top_k: TopK | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    min_tokens: int | None = Field(None, ge=0)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=2)
    logit_bias: LogitBias | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, data: Any) -> Any:
        return without(data, cls.model_fields, _WITHOUT_EFFECT, _UNSERVED)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.previous_response_id is not None and self.conversation is not None:
            raise InvalidRequestError(
                "previous_response_id and conversation exclude each other: give one", field="conversation"
            )
        for name in self.include or ():
            if name not in _INCLUDED:
                raise InvalidRequestError(
                    f"{name!r} can't be included here; what can is: {', '.join(_INCLUDED)}", field="include"
                )
        if self.top_logprobs is not None and not self.tells_logprobs:
            raise InvalidRequestError(f"top_logprobs need {LOGPROBS!r} in include", field="top_logprobs")
        return self

    @property
    def tells_logprobs(self) -> bool:
        """Whether log probabilities are wanted."""
        return LOGPROBS in (self.include or ())
