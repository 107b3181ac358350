"""Tools, calls and results for chat templates that know them, and for those that don't."""

from __future__ import annotations

from typing import Any

import pytest

from launch.api.openai.chat_messages import ConversationMessage
from launch.api.openai.template import ChatTemplate
from launch.api.openai.tool_text import parsed, told, without_calls
from tests.engine.sglang.tool_samples import TOOLS

ID = "call_0123456789abcdef"
USER = {"role": "user", "content": "How many orders?"}


def called(arguments: str = '{"query": "SELECT 1"}') -> dict[str, Any]:
    call = {"id": ID, "type": "function", "function": {"name": "run_sql", "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def result(content: Any = "12") -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": ID}


def text_of(source: str, messages: list[dict[str, Any]], tools: list[Any] | None = None) -> str:
    segments = ChatTemplate(source).segments(messages, {}, tools=tools or [])
    return "".join(segment.text for segment in segments)


CALLS = """{% for t in tools or [] %}{{ (t.function or t).name }};{% endfor %}
{%- for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}
{{- c.id }}:{{ c.function.name }}:{{ c.function.arguments.query }}{% endfor %}{{ m.tool_call_id }}
{%- endfor %}"""
FLAT = "{% for t in tools or [] %}{{ t.name + ';' }}{% endfor %}{{ messages[0].content }}"
SHORT = CALLS.replace(
    "{{- c.id }}", "{% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}{{- c.id }}"
)
PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
NO_SYSTEM = PLAIN + "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"


def test_a_template_gets_arguments_as_an_object() -> None:
    """As Qwen's and Llama's expect them; results of parts are one text."""
    shown = text_of(CALLS, [USER, called(), result(["one", "two"])])
    assert "run_sql:SELECT 1" in shown
    assert "<tool>one two" in shown


@pytest.mark.parametrize(
    ("arguments", "found"),
    [('{"a": null}', {"a": None}), ("", {}), ("{broken", "{broken"), ("[1]", "[1]")],
)
def test_arguments_that_are_no_object_stay_text(arguments: str, found: Any) -> None:
    """A model may have written anything, and clients send it back."""
    assert parsed(arguments) == found


def test_tools_come_in_the_form_that_the_template_knows() -> None:
    """OpenAI's, or the functions alone; none where the template shows none."""
    assert text_of(CALLS, [USER], TOOLS).startswith("list_tables;run_sql;")
    assert text_of(FLAT, [USER], TOOLS).startswith("list_tables;run_sql;")
    assert ChatTemplate(CALLS).knows_tools
    assert ChatTemplate(FLAT).knows_tools
    assert not ChatTemplate(PLAIN).knows_tools


def test_ids_are_shortened_for_a_template_that_takes_no_others() -> None:
    """Those of a call and its result stay the same."""
    shown = text_of(SHORT, [USER, called(), result()])
    call_id = shown.partition(":run_sql")[0][-9:]
    assert shown.endswith(call_id)
    assert "call_" not in shown
    assert ID in text_of(CALLS, [USER, called(), result()])


def test_calls_are_text_for_a_template_that_knows_none() -> None:
    """Results of one turn are one message of the user's, since roles may have to alternate."""
    messages = [
        USER,
        called() | {"content": "Wait."},
        result("1"),
        result("2"),
        USER,
        called("{broken"),
        result(),
    ]
    shown = text_of(PLAIN, messages)
    call = '<tool_call>\n{"name": "run_sql", "arguments": {"query": "SELECT 1"}}\n</tool_call>'
    assert (
        f"<assistant>Wait.\n{call}<user><tool_response>\n1\n</tool_response>\n<tool_response>\n2\n" in shown
    )
    assert '"arguments": "{broken"' in shown
    assert shown.endswith("<user><tool_response>\n12\n</tool_response>")
    assert without_calls([USER]) == [USER]


def test_the_text_about_tools_joins_the_systems() -> None:
    """Or the user's, where there is no system; either way it is told once."""
    system = {"role": "system", "content": "Be brief."}
    for first in (system, {**system, "role": "developer"}):
        one, two = told([first, USER], TOOLS, tagged=True, to="system")
        assert one["content"].startswith("Be brief.\n\nYou may call")
        assert "<tool_call>" in one["content"]
        assert two == USER
    new, _ = told([USER], TOOLS, tagged=False, to="system")
    assert (new["role"], "parameters" in new["content"], "<tool_call>" in new["content"]) == (
        "system",
        True,
        False,
    )
    (only,) = told([USER], TOOLS, tagged=True, to="user")
    assert only["content"].endswith(USER["content"])
    assert not ChatTemplate(NO_SYSTEM).takes_system
    assert ChatTemplate(PLAIN).takes_system


def test_messages_as_clients_send_them() -> None:
    """Without content, with arguments as an object, with notes of other services."""
    call = {"id": "1", "index": 0, "function": {"name": "f", "arguments": {"a": 1}}, "cache_control": {}}
    message = ConversationMessage.model_validate({"role": "assistant", "content": None, "tool_calls": [call]})
    assert message.content == ""
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == '{"a":1}'
    empty = {"role": "assistant", "content": "x", "tool_calls": None, "function_call": None, "audio": None}
    assert ConversationMessage.model_validate(empty).tool_calls is None
    assert ConversationMessage.model_validate({"role": "tool", "content": None}).content == ""
    with pytest.raises(ValueError, match="old form: send tool_calls"):
        ConversationMessage.model_validate({"role": "function", "name": "f", "content": "x"})
