"""Which formats a model has, and the grammars that bind its calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.sglang.tool_calls import sglang_tools
from engine.wire.chat_output import JSON_FORMAT, Reading
from engine.worker.runtime_interface import StartError
from tests.engine.sglang.tool_samples import TOOLS, WRITERS, formats, reading


def strict(tools: Any = TOOLS) -> list[Any]:
    return [tool | {"function": tool["function"] | {"strict": True}} for tool in tools]


def bound(call_format: str, **fields: Any) -> dict[str, Any]:
    """Return the grammar for ``reading(call_format, **fields)``."""
    found = formats().sampling(reading(call_format, **fields))
    assert found.pop("skip_special_tokens") is False
    return found


def test_unknown_parsers_are_refused_with_the_known_ones() -> None:
    """Before the runtime serves."""
    with pytest.raises(StartError, match=r"tool_call_parser 'qwen99' is unknown.*hermes.*qwen25"):
        formats("qwen99")
    with pytest.raises(StartError, match=r"reasoning_parser 'qwen99' is unknown.*qwen3"):
        formats("", "qwen99")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{% if tools %}<|python_tag|>", "llama3"),
        ("<|start_header_id|>{{ tools }}", "llama3"),
        ("<|header_start|>{{ tools }}", "pythonic"),
        ("{{ tools }}<tool_call>", "hermes"),
        ("<|start_header_id|>{{ messages }}", ""),
        ("{{ tools }}", ""),
    ],
)
def test_formats_that_sglang_does_not_detect_are_guessed(template: str, found: str) -> None:
    """By marks in the chat template, unless one is named."""
    assert formats(template=template).tool_call_parser == found
    assert formats("mistral", template=template).tool_call_parser == "mistral"


@pytest.mark.parametrize("call_format", WRITERS)
def test_a_required_call_is_bound_in_every_format(call_format: str) -> None:
    """By a grammar in the model's own format, or in JSON."""
    for function in ("", "run_sql"):
        kinds = set(bound(call_format, required=True, function=function))
        assert kinds <= {"structural_tag", "json_schema", "ebnf", "ebnf_full_assistant"}
        assert kinds


@pytest.mark.parametrize("call_format", ["hermes", "qwen25", "llama3", "mistral", "deepseekv3", "kimi_k2"])
def test_strict_tools_are_bound_though_no_call_is_required(call_format: str) -> None:
    """Their arguments follow the schema; without ``strict`` nothing is bound."""
    grammar = bound(call_format, tools=strict())
    assert "limit" in grammar["structural_tag"]
    assert bound(call_format) == {}


def test_a_list_of_calls_follows_the_tools_schemas() -> None:
    """As many as wanted, or one."""
    schema = json.loads(bound(JSON_FORMAT)["json_schema"])
    assert (schema["type"], schema["minItems"], "maxItems" in schema) == ("array", 1, False)
    for one in ({"parallel": False}, {"function": "run_sql"}):
        assert json.loads(bound(JSON_FORMAT, **one)["json_schema"])["maxItems"] == 1
    named = json.loads(bound(JSON_FORMAT, function="run_sql")["json_schema"])
    assert named["items"]["properties"]["name"]["enum"] == ["run_sql"]
    assert bound(JSON_FORMAT, required=False) == {}


def test_tools_that_are_none_are_refused() -> None:
    """The parameters must be a JSON schema; names of types as databases have them are known."""

    def tools(kind: str) -> Any:
        return [{"type": "function", "function": {"name": "f", "parameters": {"type": kind}}}]

    with pytest.raises(ValueError, match="parameters of 'f' are no JSON schema"):
        formats().reader(Reading(tools=tools("nonsense")))
    (known,) = sglang_tools(Reading(tools=tools("varchar")))
    assert known.function.parameters == {"type": "string"}


def test_without_tools_and_thinking_nothing_is_read() -> None:
    """The text is the message, and the request is as it was."""
    assert formats().reader(None) is formats().reader(Reading()) is None
    assert formats().sampling(Reading()) == formats().sampling(None) == formats().request_fields(None) == {}


def test_a_thinking_model_may_think_before_a_grammar_binds_it() -> None:
    """Unless the client has it not think."""
    thinks = formats("", "qwen3")
    assert thinks.request_fields(Reading()) == {"require_reasoning": True}
    direct = Reading(template_variables={"enable_thinking": False})
    assert thinks.request_fields(direct) == {}
