"""The words of a question, alone and together, as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable

COMMON_WORDS = frozenset(
    {"average", "count", "first", "last", "mean", "most", "number", "order", "plus", "table", "total"}
)
"""Words that, in small letters, seldom mean the stored value that is spelled like them."""
MOST_NAME_WORDS = 6
"""No name that is looked for has more words."""
NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+")
"""A word of a name that is put together, such as ``orderDate`` or ``ship_city``."""
_WORD = re.compile(r"\w+")
_MAX_WORDS = 40
_ENDS = frozenset(".!?:\n")
# What a verb at the beginning of a sentence acts on.
_OBJECT = re.compile(
    r"\s+(?:the|all|each|every|any|only|those|these|a|an|me|us|how|which|what|who|up|down|out)\b",
    re.IGNORECASE,
)
_MAX_CHARACTERS = 40
_SHORTEST_PLURAL = 3


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


def singulars(word: str) -> list[str]:
    """Return what ``word`` may be the plural of: tents, lenses, shelves or cities."""
    if not word.endswith("s") or len(word) <= _SHORTEST_PLURAL:
        return []
    forms = [word[:-1], *([word[:-2]] if word.endswith("es") else [])]
    forms += [f"{word[:-3]}f"] if word.endswith("ves") else []
    return forms + ([f"{word[:-3]}y"] if word.endswith("ies") else [])


def plurals(word: str) -> list[str]:
    """Return what may be the plural of ``word``: tents, lenses, cities."""
    return [f"{word}s", f"{word}es", *([f"{word[:-1]}ies"] if word.endswith("y") else [])]


def longest(question: str, known: Callable[[str], bool]) -> list[str]:
    """Return the runs of words that are ``known``; of two that overlap, one within the other, the longer."""
    found = [span for span in spans(question, MOST_NAME_WORDS) if known(span)]
    return [s for s in found if not any(s != other and f" {s} " in f" {other} " for other in found)]


def starts_no_sentence(text: str, word: str) -> bool:
    """Whether ``word``, as it is written, stands within a sentence of ``text`` that is not all capitals."""
    if text.istitle() or text.isupper():
        return False
    before = (
        text[: found.start()].rstrip(" \t\"'(“‘") for found in re.finditer(rf"\b{re.escape(word)}\b", text)
    )
    return any(part and part[-1] not in _ENDS for part in before)


def is_quoted(text: str, word: str) -> bool:
    """Whether ``word`` stands in quotes somewhere in ``text``."""
    return re.search(rf"[\"'`“‘«„]{re.escape(word)}[\"'`”’»“]", text) is not None


def commands(text: str, word: str) -> bool:
    """Whether ``word`` only stands at the beginning of sentences of ``text``, as a verb: Mark the orders."""
    found = list(re.finditer(rf"\b{re.escape(word)}\b", text))
    begun = (text[: place.start()].rstrip(" \t\"'(“‘")[-1:] for place in found)
    return bool(found) and all(
        before in ("", *_ENDS) and _OBJECT.match(text, place.end())
        for before, place in zip(begun, found, strict=True)
    )
