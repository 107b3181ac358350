"""The words of a question, alone and together, as they are written."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_MAX_WORDS = 40
_MAX_CHARACTERS = 40


def spans(question: str, most_words: int) -> list[str]:
    """Return the runs of one to ``most_words`` neighbouring words, in their order, each once.

    Only the first 40 words count, and no run is longer than 40 characters or goes over a line's end.
    """
    words = list(_WORD.finditer(question))[:_MAX_WORDS]
    found = [
        question[first.start() : last.end()]
        for place, first in enumerate(words)
        for last in words[place : place + most_words]
    ]
    return list(dict.fromkeys(span for span in found if len(span) <= _MAX_CHARACTERS and "\n" not in span))
