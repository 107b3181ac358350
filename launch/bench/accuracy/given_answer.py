"""One question, as it was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """``seconds`` run from ``due``, when the question was to be asked, to the answer.

    ``due`` counts from the begin of a ``part``: an uninterrupted run.  ``sql`` is empty where there is none;
    ``error`` then says why.  ``failed``: there was no answer at all.
    """

    cell: str
    question: str
    part: str
    due: float
    seconds: float
    sql: str = ""
    error: str | None = None
    failed: bool = False
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


def told_by(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer of ``POST /v1/text2sql`` says, as fields of :class:`GivenAnswer`."""
    calls = [entry for entry in answer["timeline"] if entry["kind"] == "call"]
    tokens = {
        name: sum(call[name] or 0 for call in calls)
        for name in ("prompt_tokens", "cached_tokens", "output_tokens")
    }
    sql = answer["sql"] or ""
    error = None if sql else f"no SQL ran: {answer['sql_error']}"
    return {"sql": sql, "error": error, "calls": len(calls), **tokens}
