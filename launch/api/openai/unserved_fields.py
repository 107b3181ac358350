"""Request fields of OpenAI's, and of SGLang's version of that API, which have no effect here.

What asks for something is refused by name, never silently ignored; what asks for nothing is accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from launch.api.bodies import few_fields
from launch.api.native.sglang_fields import REQUEST_FIELDS
from sched.errors import InvalidRequestError

Unserved = Mapping[str, tuple[Sequence[Any], str]]
"""By name: the values that ask for nothing, and what is wrong with any other."""


def refusals(instead: Unserved) -> Unserved:
    """Return fields that can't have other values, by what to do ``instead``."""
    return {name: (off, f"can't have this value here: {what}") for name, (off, what) in instead.items()}


def without(data: Any, served: Mapping[str, Any], ignored: Collection[str], unserved: Unserved) -> Any:
    """Return ``data``, if it is an object, without ``null`` and what asks for nothing.

    ``served``: the fields that have an effect; ``ignored`` have none, whatever they say.

    Raises:
        InvalidRequestError: a field of ``unserved`` asks for what isn't supported.
        ValueError: there are more fields than any body has.
    """
    if not isinstance(few_fields(data), dict):
        return data
    kept = {}
    for name, value in data.items():
        if value is None or (name in ignored and name not in served):
            continue
        if name in served or name not in unserved:
            kept[name] = value
            continue
        nothing, complaint = unserved[name]
        if value not in nothing:
            raise InvalidRequestError(f"{name} {complaint}", field=name)
    return kept


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
_REFUSED: Unserved = {
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
_UNSERVED: Unserved = {
    **{
        name: ([off], "is SGLang's, but not supported here yet: leave it out")
        for name, off in _UNUSED.items()
    },
    **refusals(_REFUSED),
}

REFUSED = frozenset(_UNSERVED)


def without_unused(data: Any, served: Mapping[str, Any]) -> Any:
    """Return the body of a chat or a completion without what asks for nothing; as :func:`without`."""
    return without(data, served, IGNORED, _UNSERVED)
