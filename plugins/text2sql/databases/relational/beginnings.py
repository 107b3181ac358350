"""Looking up what begins with a text, where LIKE may tell small from capital letters."""

from __future__ import annotations

from collections.abc import Sequence


def usual_cases(texts: Sequence[str]) -> list[str]:
    """Return ``texts`` in the cases that are usual in names, for which an index serves."""
    return list(dict.fromkeys(case for text in texts for case in (text, text.capitalize(), text.title())))


def pattern(text: str) -> str:
    """Return a pattern of LIKE for what begins with ``text``; a backslash is its escape."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
