"""What an index of texts has that a question names, or that resembles its keywords."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.spans import COMMON_WORDS, longest, singulars, spans

SHORTEST_WORD = 4
"""Shorter words are not looked up by themselves."""
_PER_WORD = 5
_MAX_WORDS = 24
_MAX_CHARACTERS = 64
# What is this much less alike than the best match of a word is left out.
_BEHIND = 0.1
# How like a word are texts in the plural or singular, and conditions on a part of a text.
_OTHER_NUMBER, _PART_OF_NAMES = 0.95, 0.9
_WORD = re.compile(r"\w+")


def similar(
    index: TextIndex | None,
    keywords: Sequence[str],
    limit: int,
    dialect: Dialect,
    question: str = "",
    common: frozenset[str] = COMMON_WORDS,
) -> tuple[str, ...]:
    """Return the labels of what ``question`` names or resembles ``keywords`` or their words, best first.

    What the question says in one of the words in ``common`` is no name.
    """
    if index is None:
        return ()
    best = _said(index, question, common, dialect)
    for word in _queries(keywords):
        found = index.find(word, _PER_WORD)
        for label, likeness in found:
            if likeness >= found[0][1] - _BEHIND:
                best[label] = max(likeness, best.get(label, 0.0))
    # Sorting is stable: equals stay in the order of the keywords.
    return tuple(sorted(best, key=lambda label: -best[label])[:limit])


def _said(index: TextIndex, question: str, common: frozenset[str], dialect: Dialect) -> dict[str, float]:
    """Return labels of what stands in ``question``: texts (the longer of two that overlap), then parts."""
    named = longest(question, lambda span: span not in common and bool(index.exact(span)))
    found = {label: 1.0 for span in named for label in index.exact(span)}
    taken = {word for span in named for word in span.split()}
    for word in spans(question, 1):
        if len(word) >= SHORTEST_WORD and word not in taken and word not in common:
            said = [label for form in (f"{word}s", *singulars(word)) for label in index.exact(form)]
            parts = _parts(index, word, dialect)
            found |= dict.fromkeys(said, _OTHER_NUMBER) | dict.fromkeys(parts, _PART_OF_NAMES)
    return found


def _parts(index: TextIndex, word: str, dialect: Dialect) -> list[str]:
    """Return a condition for each column of which several texts have ``word`` as a part, as tents."""
    spelt: dict[str, list[str]] = {}
    for form in (word, *singulars(word)):
        for label, part in index.containing(form):
            spelt.setdefault(label.partition(" = ")[0], []).append(part)
    patterns = {column: f"%{parts[0]}%" for column, parts in spelt.items() if len(parts) > 1}
    return [f"{column} LIKE {dialect.literal(pattern)}" for column, pattern in patterns.items()]


def _queries(keywords: Sequence[str]) -> list[str]:
    phrases = [" ".join(keyword.split())[:_MAX_CHARACTERS] for keyword in keywords[:_MAX_WORDS]]
    words = [word for phrase in phrases for word in _WORD.findall(phrase) if len(word) >= SHORTEST_WORD]
    return list(dict.fromkeys([*phrases, *words]))[:_MAX_WORDS]
