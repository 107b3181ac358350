"""Structural tags, by which xgrammar binds calls in a model's own format: what SGLang leaves open in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_WHITE_SPACE = 8
"""Characters between two parts of a call's JSON.  A weak model writes nothing else, if it may."""


def tightened(tag: Mapping[str, Any], one: bool) -> dict[str, Any]:
    """Return a structural tag, of SGLang's old form or xgrammar's, in xgrammar's, with bounded white space.

    ``one``: the output of an old form ends with its first call; xgrammar's own tags say so already.
    """
    form = tag["format"] if "format" in tag else _triggered(tag, one)
    return {"type": "structural_tag", "format": _bounded(form)}


def _triggered(tag: Mapping[str, Any], one: bool) -> dict[str, Any]:
    tags = [
        {
            "type": "tag",
            "begin": call["begin"],
            "content": {"type": "json_schema", "json_schema": call["schema"] or {}},
            "end": call["end"],
        }
        for call in tag["structures"]
    ]
    return {
        "type": "triggered_tags",
        "triggers": list(tag["triggers"]),
        "tags": tags,
        "at_least_one": tag.get("at_least_one", False),
        "stop_after_first": one,
    }


def _bounded(form: Any) -> Any:
    if isinstance(form, list):
        return [_bounded(part) for part in form]
    if not isinstance(form, dict):
        return form
    if form.get("type") == "json_schema" and "json_schema" in form:
        in_json = form.get("style", "json") == "json"
        return {**form, "max_whitespace_cnt": MOST_WHITE_SPACE} if in_json else form
    return {name: _bounded(value) for name, value in form.items()}
