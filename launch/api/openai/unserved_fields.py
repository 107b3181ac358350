"""Request fields of OpenAI's, and of SGLang's version of that API, which have no effect here.

What asks for something is refused by name, never silently ignored; what asks for nothing is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launch.api.bodies import few_fields
from launch.api.native.sglang_fields import REQUEST_FIELDS
from sched.errors import InvalidRequestError

IGNORED = frozenset(
    {
        "prompt_cache_retention",
        "parallel_tool_calls",
        "separate_reasoning",
        "stream_reasoning",
    }
)
"""Hints for a cache that needs none here, and details of what is refused anyway."""

_TOOLS = "tools are for /v1/chat/completions"
_FUNCTIONS = "it is OpenAI's old form of tools: send tools and tool_choice"
_TEXT = "this server takes and gives text only"
_REFUSED: Mapping[str, tuple[Sequence[Any], str]] = {
    "tools": ([[]], _TOOLS),
    "tool_choice": (["none", "auto"], _TOOLS),
    "functions": ([[]], _FUNCTIONS),
    "function_call": (["none", "auto"], _FUNCTIONS),
    "audio": ([], _TEXT),
    "modalities": ([["text"]], _TEXT),
    "prediction": ([], "predicted outputs aren't supported here"),
    "reasoning_effort": ([], "completions don't think; ask /v1/chat/completions"),
    "reasoning": (
        [],
        "send reasoning_effort, and what the model's chat template knows in chat_template_kwargs",
    ),
    "verbosity": (["medium"], "say in a message how long the answer shall be"),
    "web_search_options": ([], "this server can't search the web"),
    "store": ([False], "nothing is stored here"),
    "service_tier": (["auto", "default"], "there are no tiers here; give a deadline in workflow.slo_seconds"),
    "echo": ([False], "put the prompt in front of the text yourself"),
    "suffix": ([""], "inserting text isn't supported here"),
    "best_of": ([1], "ask for n choices and choose among them"),
}
"""By name: the values that ask for nothing, and what to do instead."""

_SGLANGS: Mapping[str, Any] = dict.fromkeys(
    [
        "return_cached_tokens_details",
        "return_spec_tokens_details",
        "return_token_ids",
        "return_meta_info",
        "return_input_ids_in_sglext",
        "return_output_ids_in_sglext",
    ],
    False,
) | {"task": None, "input_ids": None, "custom_params": {}}
_UNUSED: Mapping[str, Any] = {**REQUEST_FIELDS, **_SGLANGS}

REFUSED = frozenset({*_REFUSED, *_UNUSED})


def without_unused(data: Any, served: Mapping[str, Any]) -> Any:
    """Return ``data``, if it is an object, without ``null`` and what asks for nothing.

    ``served``: the fields that have an effect.

    Raises:
        InvalidRequestError: a field asks for what isn't supported.
        ValueError: there are more fields than any body has.
    """
    if not isinstance(few_fields(data), dict):
        return data
    kept = {}
    for name, value in data.items():
        if value is None or (name in IGNORED and name not in served):
            continue
        if name in served or name not in REFUSED:
            kept[name] = value
        elif name in _REFUSED:
            nothing, instead = _REFUSED[name]
            if value not in nothing:
                raise InvalidRequestError(f"{name} can't have this value here: {instead}", field=name)
        elif value != _UNUSED[name]:
            raise InvalidRequestError(
                f"{name} is SGLang's, but not supported here yet: leave it out", field=name
            )
    return kept
