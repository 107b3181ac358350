"""Tools as text, for models whose chat template knows none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

_INTRODUCTION = "You may call these functions, described by JSON schemas:"
_TAGGED = """To call one, write its name and arguments as JSON in these tags, once for each call:
<tool_call>
{"name": "the function's name", "arguments": {"a parameter": "its value"}}
</tool_call>
You will then be given the results. To answer without a call, just write the answer."""
_LISTED = """Answer with a JSON list of calls and nothing else:
[{"name": "the function's name", "parameters": {"a parameter": "its value"}}]"""


def told(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, tagged: bool, to: str
) -> list[Message]:
    """Return ``messages`` with the tools described in the first message, and how to call them.

    ``tagged``: in tags, as Hermes does; else as a JSON list.  ``to``: the role that is to be told, ``system``
    or ``user``.
    """
    listed = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    text = "\n\n".join([_INTRODUCTION, listed, _TAGGED if tagged else _LISTED])
    first = messages[0]
    if (first["role"] == "developer" and to == "system") or first["role"] == to:
        own = plain(first["content"])
        content = f"{own}\n\n{text}" if to == "system" else f"{text}\n\n{own}"
        return [{**first, "content": content}, *messages[1:]]
    return [{"role": to, "content": text}, *messages]


def without_calls(messages: Sequence[Message]) -> list[Message]:
    """Return ``messages`` with calls as text of the assistant's, and their results as the user's."""
    shown: list[Message] = []
    results: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            results.append(f"<tool_response>\n{plain(message['content'])}\n</tool_response>")
            continue
        if results:
            shown.append({"role": "user", "content": "\n".join(results)})
            results = []
        shown.append(_as_text(message))
    if results:
        shown.append({"role": "user", "content": "\n".join(results)})
    return shown


def _as_text(message: Message) -> Message:
    calls = message.get("tool_calls")
    if not calls:
        return message
    texts = [_call_text(call["function"]) for call in calls]
    content = "\n".join(text for text in [plain(message["content"]), *texts] if text)
    return {name: value for name, value in message.items() if name != "tool_calls"} | {"content": content}


def _call_text(function: Mapping[str, Any]) -> str:
    call = {"name": function["name"], "arguments": parsed(function["arguments"])}
    return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"


def parsed(arguments: str) -> Any:
    """Return a call's arguments as templates expect them: an object, or the text where it is none."""
    if not arguments.strip():
        return {}
    try:
        found = json.loads(arguments)
    except ValueError:
        return arguments
    return found if isinstance(found, dict) else arguments


def plain(content: str | Sequence[str]) -> str:
    """Return a message's content as one text."""
    return content if isinstance(content, str) else " ".join(content)
