"""The answer to a question as a chat's text: a sentence, the SQL in a fence, the first rows as a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN_ROWS = 20
_MOST_CELL = 200
_MOST_SQL = 20_000
_FENCE = re.compile(r"```sql\n(.*?)\n```", re.DOTALL)


def answer_text(answer: Mapping[str, Any]) -> str:
    """Return the answer of a workflow as Markdown."""
    sql, rows = answer.get("sql"), answer.get("rows") or []
    parts = [_sentence(answer, rows)]
    if sql:
        parts.append(f"```sql\n{sql}\n```")
    if rows:
        parts.append(_table(answer["columns"], rows[:SHOWN_ROWS]))
    return "\n\n".join(parts)


def sql_in(text: str) -> str:
    """Return the SQL of an answer made by :func:`answer_text`; empty if there is none."""
    found = _FENCE.search(text)
    return found[1][:_MOST_SQL] if found else ""


def _sentence(answer: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> str:
    status, reason = answer.get("status"), answer.get("reason") or answer.get("sql_error")
    because = f": {_cell(reason)}" if reason else ""
    if status == "not_understood":
        return f"I did not understand the question{because}."
    if status == "no_sql_ran":
        return f"I could not answer, since no SQL could be run{because}."
    if not rows:
        return f"Nothing was found{because}."
    more = bool(answer.get("truncated"))
    if len(rows) == 1 and len(rows[0]) == 1 and not more:
        return f"The answer is {_cell(rows[0][0])}."
    count = f"{'More than ' if more else ''}{len(rows)} {'row was' if len(rows) == 1 else 'rows were'} found"
    return f"{count}; the first {SHOWN_ROWS} are shown." if len(rows) > SHOWN_ROWS else f"{count}."


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    """Return ``value`` as one line that ends no cell of a table."""
    text = "NULL" if value is None else " ".join(str(value).split())
    text = text if len(text) <= _MOST_CELL else f"{text[: _MOST_CELL - 1]}…"
    return text.replace("\\", "\\\\").replace("|", "\\|")
