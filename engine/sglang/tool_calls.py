"""Calls of tools in an output, and the grammar that binds them: SGLang's own parsers, in its own formats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.wire.chat_output import JSON_FORMAT, RUNTIMES_OWN, Reading

Item = tuple[int, str, str]
"""A part of a call: its index, its name (in its first part only) and a piece of its arguments."""


class CallParser(Protocol):
    """Finds calls in one output."""

    def push(self, piece: str) -> tuple[str, list[Item]]:
        """Return the text outside of calls, and the parts of calls, that are known with the next piece."""
        ...

    def flush(self) -> tuple[str, list[Item]]:
        """Return what was held back, once the output has ended."""
        ...

    def whole(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        """Return the text outside of calls, and each call's name and arguments, in the whole output."""
        ...


def format_of(reading: Reading, own: str) -> str:
    """Return the format of calls; ``own`` is the runtime's, empty if it has none."""
    if reading.call_format != RUNTIMES_OWN:
        return reading.call_format
    return own or JSON_FORMAT


def call_parser(reading: Reading, call_format: str, tokenizer: Any) -> CallParser:
    """Return a parser for one output.

    Raises:
        ValueError: the tools are none that SGLang knows.
    """
    tools = sglang_tools(reading)
    if call_format == JSON_FORMAT:
        return _JsonCalls(tools)
    return _NativeCalls(_native(reading, tools, call_format, tokenizer))


def grammar(reading: Reading, call_format: str, tokenizer: Any, *, prefixed: bool) -> dict[str, Any]:
    """Return SGLang's sampling parameters that bind the calls of an output; none where nothing is bound.

    ``prefixed``: the output begins with thinking that no parser of SGLang's keeps out of the grammar.

    Raises:
        ValueError: a call is required, but there is no grammar for these tools.
    """
    from sglang.srt.function_call.utils import get_json_schema_constraint

    tools = sglang_tools(reading)
    choice = _choice(reading)
    if call_format == JSON_FORMAT:
        if not reading.required:
            return {}
        many = reading.parallel and not reading.function
        return _sampling("json_schema", get_json_schema_constraint(tools, choice, many))
    parser = _native(reading, tools, call_format, tokenizer)
    found = parser.get_structure_constraint(
        choice, parallel_tool_calls=reading.parallel, thinking_mode=prefixed
    )
    if found is not None:
        return _sampling(*found)
    if reading.required and not parser.detector.parses_required_natively():
        raise ValueError(f"tools: {call_format!r} has no grammar for them; simplify their parameters")
    return {}


def sglang_tools(reading: Reading) -> list[Any]:
    """Return the tools as SGLang's objects.

    Raises:
        ValueError: the parameters of one are no JSON schema.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from sglang.srt.entrypoints.openai.protocol import Tool
    from sglang.srt.function_call.utils import normalize_json_schema_types

    tools = [Tool(**tool) for tool in reading.tools]
    for tool in tools:
        schema = tool.function.parameters
        if schema is None:
            continue
        normalize_json_schema_types(schema)
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(
                f"tools: the parameters of {tool.function.name!r} are no JSON schema: {error.message}"
            ) from error
    return tools


def _choice(reading: Reading) -> Any:
    from sglang.srt.entrypoints.openai.protocol import ToolChoice

    if reading.function:
        return ToolChoice(function={"name": reading.function})
    return "required" if reading.required else "auto"


def _native(reading: Reading, tools: Sequence[Any], call_format: str, tokenizer: Any) -> Any:
    from sglang.srt.function_call.function_call_parser import FunctionCallParser

    choice = _choice(reading) if reading.required else None
    return FunctionCallParser(list(tools), call_format, tokenizer=tokenizer, tool_choice=choice)


def _sampling(kind: str, value: Any) -> dict[str, Any]:
    if kind == "full_assistant_ebnf":
        return {"ebnf": value, "ebnf_full_assistant": True}
    if hasattr(value, "model_dump"):
        value = value.model_dump(by_alias=True)
    return {kind: value if isinstance(value, str) else json.dumps(value)}


class _NativeCalls:
    """Calls in the format of a model family."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        detector, bracket = parser.detector, "]"
        if detector.eot_token == bracket:
            detector.eot_token = ""  # Mistral's would be taken out of any text

    def push(self, piece: str) -> tuple[str, list[Item]]:
        text, calls = self._parser.parse_stream_chunk(piece)
        return text or "", _items(calls)

    def flush(self) -> tuple[str, list[Item]]:
        text, calls = self._parser.parse_stream_end()
        return text or "", _items(calls)

    def whole(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        if not self._parser.has_tool_call(text):
            return text, []
        rest, calls = self._parser.parse_non_stream(text)
        return rest or "", [(call.name, call.parameters) for call in calls]


class _JsonCalls:
    """Calls as a JSON array, to which a grammar binds the output."""

    def __init__(self, tools: Sequence[Any]) -> None:
        from sglang.srt.function_call.json_array_parser import JsonArrayParser

        self._parser, self._tools = JsonArrayParser(), list(tools)

    def push(self, piece: str) -> tuple[str, list[Item]]:
        found = self._parser.parse_streaming_increment(piece, self._tools)
        return "", _items(found.calls)  # outside of calls are brackets and commas

    def flush(self) -> tuple[str, list[Item]]:
        return "", []

    def whole(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        try:
            found = json.loads(text)
        except ValueError:  # cut off by the limit of tokens
            return text, []
        calls = found if isinstance(found, list) else [found]
        if not all(isinstance(call, Mapping) and isinstance(call.get("name"), str) for call in calls):
            return text, []
        return "", [
            (call["name"], json.dumps(call.get("parameters", {}), ensure_ascii=False)) for call in calls
        ]


def _items(calls: Sequence[Any]) -> list[Item]:
    return [(call.tool_index, call.name or "", call.parameters or "") for call in calls]
