"""How a chat with tools is asked and read: by the model's own format, or by one that any model can follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.wire.chat_output import JSON_FORMAT, RUNTIMES_OWN, Reading
from launch.api.openai.request_models import ChatBody
from launch.api.openai.template import ChatTemplate
from launch.api.openai.tool_models import FunctionTool
from launch.api.openai.tool_text import Message, plain, told
from sched.errors import InvalidRequestError

_ANY_MODELS = "hermes"
"""SGLang's name of the format that ``tool_text.py`` describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """What the chat template is given, and how the output is read."""

    messages: Sequence[Message]
    tools: Sequence[dict[str, Any]]
    reading: Reading


def tool_use(body: ChatBody, template: ChatTemplate, reads_calls: bool) -> ToolUse:
    """Return how the chat is asked and read; ``reads_calls``: the runtimes know the model's own format.

    A template that knows no tools is given a text about them.  Where a call is required, a grammar makes the
    model write one, in any format.

    Raises:
        InvalidRequestError: nobody knows the format in which this model calls tools.
    """
    messages: list[Message] = [message.model_dump(exclude_none=True) for message in body.messages]
    offered = _offered(body)
    tools = [_tool(tool) for tool in offered]
    call_format, shown = RUNTIMES_OWN, tools
    if tools and not template.knows_tools:
        call_format, shown = JSON_FORMAT if body.must_call else _ANY_MODELS, []
        to = "system" if template.takes_system else "user"
        messages = told(messages, tools, tagged=not body.must_call, to=to)
    elif tools and not reads_calls:
        if not body.must_call:
            raise InvalidRequestError(
                "the format in which this model calls tools is unknown: name it when you start the server, "
                "as in `-- --tool-call-parser hermes`, or require a call with tool_choice",
                field="tools",
            )
        call_format = JSON_FORMAT
    reading = Reading(
        tools=tools,
        required=bool(tools) and body.must_call,
        function=body.called_function or "",
        parallel=body.parallel_tool_calls,
        call_format=call_format,
        earlier_calls=sum(len(message.tool_calls or ()) for message in body.messages),
        reasoning=body.separate_reasoning,
        whole_reasoning=not body.stream_reasoning,
        template_variables=body.template_variables,
        begun=plain(body.messages[-1].content) if body.continue_final_message else None,
    )
    return ToolUse(messages=messages, tools=shown, reading=reading)


def _offered(body: ChatBody) -> list[FunctionTool]:
    if not body.may_call:
        return []
    name = body.called_function
    return [tool for tool in body.tools or [] if name in (None, tool.function.name)]


def _tool(tool: FunctionTool) -> dict[str, Any]:
    """Return the tool as templates and SGLang know it."""
    function = tool.function
    return {
        "type": "function",
        "function": {
            "description": function.description or "",
            "name": function.name,
            "parameters": function.parameters or {"type": "object", "properties": {}},
            "strict": bool(function.strict),
        },
    }
