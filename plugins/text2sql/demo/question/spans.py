"""The words of a question, alone and together, as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable

_MOST_NAME_WORDS = 6
COMMON = frozenset(
    "average count first goods home last mean most number order paid plus supply table total".split()  # noqa: SIM905
)
"""In small letters these words hardly mean the stored value that is spelt like them."""
# Where two of the demo database do, and where one doesn't after all: paid orders are not those paid by card.
_HOME = r"(?:department|dept|section|products?|items?|articles?|goods|things|reviews?|opinions?|comments?)"
_PAID_BY = (
    r"(?:(?:by|for|with|via|the|through|using|in|on|over|under|at|up|no|an?|only|mostly|more|less|most|least"
    r"|shipping|card|paypal|invoice|transfer|either)\b|€|\d)"
)
_PLAIN = {
    "home": re.compile(
        rf"\bhome {_HOME}\b|\bdepartment (?:is |of )?home\b"
        r"|\b(?:in|within|belongs? to|belonging to) home\b(?! (?:town|countr|cit|address|deliver|office))"
    ),
    "paid": re.compile(
        r"\bpaid (?:orders?|purchases?|transactions?|sales)\b|\b(?:marked as|status(?: is| of)?) paid\b"
        rf"|\b(?:is|are|was|were|been|already|got|currently|neither|nor|or|and) paid\b(?! {_PAID_BY})"
    ),
}
_OTHERWISE = {"paid": re.compile(r"\bhow (?!many|much)|\bmeans\b|\bways?\b")}
_WORD = re.compile(r"\w+")
_MAX_WORDS = 40
_MAX_CHARACTERS = 40
_SHORTEST_PLURAL = 3


def plainly(question: str, word: str) -> bool:
    """Return whether ``question`` means a stored value by the ``COMMON`` word ``word``.

    Both are in small letters.
    """
    if word not in _PLAIN or (word in _OTHERWISE and _OTHERWISE[word].search(question)):
        return False
    return _PLAIN[word].search(question) is not None


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
    """Return what ``word`` may be the plural of: tent of tents, lens of lenses, shelf of shelves."""
    if not word.endswith("s") or len(word) <= _SHORTEST_PLURAL:
        return []
    forms = [word[:-1], *([word[:-2]] if word.endswith("es") else [])]
    return forms + ([f"{word[:-3]}f"] if word.endswith("ves") else [])


def longest(question: str, known: Callable[[str], bool]) -> list[str]:
    """Return the runs of words that are ``known``; of two that overlap, one within the other, the longer."""
    found = [span for span in spans(question, _MOST_NAME_WORDS) if known(span)]
    return [s for s in found if not any(s != other and f" {s} " in f" {other} " for other in found)]
