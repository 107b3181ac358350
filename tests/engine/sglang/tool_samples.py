"""Outputs of model families that call tools, and SGLang's parsers of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from engine.sglang import cpu
from engine.sglang.chat_formats import ChatFormats
from engine.wire.chat_output import JSON_FORMAT, MessagePart, Reading, ToolCallPart

_SCHEMA = {
    "type": "object",
    "properties": {
        "query": {"type": "string"},
        "limit": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["query"],
}
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": "", "parameters": _SCHEMA, "strict": False},
    }
    for name in ("list_tables", "run_sql")
]
SAID = "Let me look."
RUN = ("run_sql", {"query": "SELECT \"a\" FROM t WHERE x < 3 AND y > '[b]'\nLIMIT 5;", "limit": 5})
LIST = ("list_tables", {"query": "é {x}", "tags": ["a", "b"]})

Call = tuple[str, dict[str, Any]]
Calls = Iterable[Call]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _hermes(calls: Calls) -> str:
    return "\n".join([SAID] + [f"<tool_call>\n{_object(call)}\n</tool_call>" for call in calls])


def _object(call: Call, arguments: str = "arguments") -> str:
    return _json({"name": call[0], arguments: call[1]})


def _llama(calls: Calls) -> str:
    return "<|python_tag|>" + ";".join(_object(call, "parameters") for call in calls)


def _mistral(calls: Calls) -> str:
    return "[TOOL_CALLS] [" + ", ".join(map(_object, calls)) + "]"


def _pythonic(calls: Calls) -> str:
    shown = [f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})" for name, given in calls]
    return "[" + ", ".join(shown) + "]"


def _deepseek(calls: Calls) -> str:
    opened = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>"
    shown = [f"{opened}{name}\n```json\n{_json(given)}\n```<｜tool▁call▁end｜>" for name, given in calls]
    return f"{SAID}<｜tool▁calls▁begin｜>" + "\n".join(shown) + "<｜tool▁calls▁end｜>"


def _qwen_coder(calls: Calls) -> str:
    def shown(call: Call) -> str:
        values = "".join(f"<parameter={k}>\n{_value(v)}\n</parameter>\n" for k, v in call[1].items())
        return f"<tool_call>\n<function={call[0]}>\n{values}</function>\n</tool_call>"

    return "\n".join([SAID, *map(shown, calls)])


def _kimi(calls: Calls) -> str:
    shown = [
        f"<|tool_call_begin|>functions.{name}:{i}<|tool_call_argument_begin|>{_json(given)}<|tool_call_end|>"
        for i, (name, given) in enumerate(calls)
    ]
    return f"{SAID}<|tool_calls_section_begin|>" + "".join(shown) + "<|tool_calls_section_end|>"


def _glm(newline: str) -> Callable[[Calls], str]:
    def shown(call: Call) -> str:
        values = [
            f"<arg_key>{k}</arg_key>{newline}<arg_value>{_value(v)}</arg_value>{newline}"
            for k, v in call[1].items()
        ]
        return f"<tool_call>{call[0]}{newline}{''.join(values)}</tool_call>"

    return lambda calls: "\n".join([SAID, *map(shown, calls)])


def _gpt_oss(calls: Calls) -> str:
    opened = "<|start|>assistant<|channel|>commentary to=functions."
    shown = [f"{opened}{name} <|constrain|>json<|message|>{_json(given)}<|call|>" for name, given in calls]
    return f"<|channel|>commentary<|message|>{SAID}<|end|>" + "".join(shown)


def _listed(calls: Calls) -> str:
    return "[" + ",".join(_object(call, "parameters") for call in calls) + "]"


WRITERS: dict[str, Callable[[Calls], str]] = {
    "hermes": _hermes,
    "qwen25": _hermes,
    "llama3": _llama,
    "mistral": _mistral,
    "pythonic": _pythonic,
    "deepseekv3": _deepseek,
    "qwen3_coder": _qwen_coder,
    "kimi_k2": _kimi,
    "glm45": _glm("\n"),
    "glm47": _glm(""),
    "gpt-oss": _gpt_oss,
    JSON_FORMAT: _listed,
}
"""By format: how a model writes that it calls tools, in some after it has said ``SAID``."""
SILENT = ("llama3", "mistral", "pythonic", JSON_FORMAT)
"""Formats whose models here say nothing before."""


@cache
def formats(tool_call_parser: str = "", reasoning_parser: str = "", template: str = "") -> ChatFormats:
    """Return the formats of an engine that was started with these parsers."""
    cpu.install()
    pytest.importorskip("sglang")
    templates = SimpleNamespace(force_reasoning=False, reasoning_config=None)
    tokenizer = SimpleNamespace(chat_template=template)
    return ChatFormats(tool_call_parser, reasoning_parser, templates, tokenizer)


def reading(call_format: str = "", **fields: Any) -> Reading:
    """Return a wish to read calls of ``TOOLS`` in a format."""
    required = call_format == JSON_FORMAT
    wanted: dict[str, Any] = {"tools": TOOLS, "call_format": call_format, "required": required}
    return Reading(**(wanted | fields))


def shown(message: MessagePart) -> tuple[str, str, list[Call]]:
    """Return a message's text, thinking and calls, without ids."""
    calls = [(call.name, json.loads(call.arguments)) for call in message.calls]
    return message.content, message.reasoning, calls


def joined(parts: Iterable[MessagePart]) -> MessagePart:
    """Return what a client makes of the parts of a stream."""
    content = reasoning = ""
    calls: dict[int, list[str]] = {}
    for part in parts:
        content, reasoning = content + part.content, reasoning + part.reasoning
        for call in part.calls:
            known = calls.setdefault(call.index, ["", "", ""])
            known[0], known[1] = known[0] or call.call_id, known[1] + call.name
            known[2] += call.arguments
    all_calls = [
        ToolCallPart(index=index, call_id=call_id, name=name, arguments=arguments)
        for index, (call_id, name, arguments) in sorted(calls.items())
    ]
    return MessagePart(content=content, reasoning=reasoning, calls=all_calls)
