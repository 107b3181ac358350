"""A response as the chat that the model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter, ValidationError

from launch.api.openai.request_models import ChatBody
from launch.api.responses.input_items import InputItem, messages_of
from launch.api.responses.response_bodies import ResponsesBody, ResponseToolChoice
from sched.errors import InvalidRequestError

_FIELDS: Mapping[str, str] = {
    "messages": "input",
    "response_format": "text.format",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "logprobs": "top_logprobs",
}
"""Names of a chat's fields, as a response has them."""
_ITEMS: TypeAdapter[list[Any]] = TypeAdapter(list[InputItem])


@contextmanager
def in_our_words() -> Iterator[None]:
    """Tell of a response's fields what is wrong with the chat's.

    Raises:
        InvalidRequestError: something is.
    """
    try:
        yield
    except ValidationError as error:
        problem = error.errors()[0]
        name, *rest = map(str, problem["loc"]) if problem["loc"] else ("input",)
        where = ".".join((_FIELDS.get(name, name), *rest))
        text = str(problem["msg"]).removeprefix("Value error, ")
        raise InvalidRequestError(f"{where}: {text}", field=where) from error
    except InvalidRequestError as error:
        error.field = _FIELDS.get(error.field or "", error.field)
        raise


def chat_of(body: ResponsesBody, before: Iterable[Mapping[str, Any]]) -> ChatBody:
    """Return the chat of a response; ``before``: the items of the conversation so far, as plain JSON.

    Raises:
        InvalidRequestError: it can't be asked; names the response's field.
    """
    with in_our_words():
        earlier = _ITEMS.validate_python(list(before))
        messages = messages_of([*earlier, *body.input])
        if body.instructions:
            messages.insert(0, {"role": "system", "content": body.instructions})
        given = {name: getattr(body, name) for name in body.SAMPLING}
        fields = {name: value for name, value in given.items() if value is not None}
        if "workflow" in body.model_fields_set:
            fields["workflow"] = body.workflow
        return ChatBody.model_validate(
            fields
            | _tools(body)
            | _format(body)
            | {
                "model": body.model,
                "messages": messages,
                "stream": body.stream,
                "max_completion_tokens": body.max_output_tokens,
                "reasoning_effort": body.reasoning.effort,
                "logprobs": body.tells_logprobs,
                "top_logprobs": body.top_logprobs,
                "parallel_tool_calls": body.parallel_tool_calls,
            }
        )


def _tools(body: ResponsesBody) -> dict[str, Any]:
    choice, tools = body.tool_choice, body.tools
    if isinstance(choice, ResponseToolChoice) and choice.name is None:
        unknown = choice.allowed - {tool.name for tool in tools}
        if unknown:
            raise InvalidRequestError(
                f"{', '.join(sorted(unknown))}: allowed, but none of the tools", field="tool_choice"
            )
        tools, choice = [tool for tool in tools if tool.name in choice.allowed], choice.mode
    elif isinstance(choice, ResponseToolChoice):
        choice = {"type": "function", "function": {"name": choice.name}}
    told = [tool.model_dump(exclude={"type"}, exclude_none=True) for tool in tools]
    return {
        "tools": [{"type": "function", "function": function} for function in told],
        "tool_choice": choice,
    }


def _format(body: ResponsesBody) -> dict[str, Any]:
    form = body.text.format
    if form is None or form.type == "text":
        return {}
    if form.schema_ is None:
        return {"response_format": {"type": form.type}}
    schema = {"name": form.name, "schema": form.schema_}
    return {"response_format": {"type": form.type, "json_schema": schema}}
