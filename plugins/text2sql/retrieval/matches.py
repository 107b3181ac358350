"""What an index of texts has that a question names, or that resembles its keywords."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.retrieval.function_words import DULL_WORDS, ORDINARY_WORDS
from plugins.text2sql.retrieval.likeness import SHORTEST_WORD
from plugins.text2sql.retrieval.text_index import TextIndex
from plugins.text2sql.spans import (
    COMMON_WORDS,
    commands,
    is_quoted,
    longest,
    plurals,
    singulars,
    spans,
    starts_no_sentence,
)

PER_WORD = 5
"""Of what is equally like a word, so much is taken."""
_MAX_WORDS = 24
_MAX_CHARACTERS = 64
# What is this much less alike than the best match of a word is left out.
_BEHIND = 0.1
# How like a word are texts in the plural or singular, and conditions on a part of a text.
_OTHER_NUMBER, PART_OF_NAMES = 0.95, 0.9
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Matches:
    """Labels, best first, and what was left out of them."""

    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def similar(
    index: TextIndex | None,
    keywords: Sequence[str],
    limit: int,
    dialect: Dialect,
    said: tuple[str, ...] = (),
    common: frozenset[str] = COMMON_WORDS,
    besides: Mapping[str, float] | None = None,
) -> Matches:
    """Return up to ``limit`` labels of what the texts ``said`` name or ``keywords`` or their words resemble.

    An ordinary word and one of those in ``common`` are names only where they are written so.
    ``besides`` are labels found elsewhere, with their likeness.
    """
    best = dict(besides or {})
    notes = []
    if index is not None:
        for text in said:
            _add(best, _said(index, text, common, dialect))
        for word in queries(index, keywords, common):
            found = _matches(index, word, common)
            if len(found) > PER_WORD and found[PER_WORD][1] == found[0][1]:
                notes.append(
                    f"more than {PER_WORD} are equally like {word!r}; the first {PER_WORD} were taken"
                )
            _add(best, nearest(found))
    if len(best) > limit:
        notes.append(f"{len(best)} were found; the best {limit} were taken")
    # Sorting is stable: equals stay in the order of the keywords.
    return Matches(tuple(sorted(best, key=lambda label: -best[label])[:limit]), tuple(notes))


def nearest(found: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return what is taken of what a word was ``found`` to resemble, the most alike first."""
    return {label: like for label, like in found[:PER_WORD] if like >= found[0][1] - _BEHIND}


def phrases(keywords: Sequence[str]) -> list[str]:
    """Return the keywords that are looked up, cut off where they are long."""
    found = (" ".join(keyword.split())[:_MAX_CHARACTERS] for keyword in keywords[:_MAX_WORDS])
    return list(dict.fromkeys(filter(None, found)))


def queries(index: TextIndex, keywords: Sequence[str], common: frozenset[str]) -> list[str]:
    """Return what is looked up: the keywords, then of those that find nothing whole the names and words."""
    whole = phrases(keywords)
    words: list[str] = []
    for phrase in whole:
        if _matches(index, phrase, common):
            continue
        named = _named(index, phrase, common, shortest=SHORTEST_WORD)
        taken = {word for span in named for word in _WORD.findall(span)}
        rest = [word for word in _WORD.findall(phrase) if word not in taken and may_resemble(word, common)]
        words += [*named, *rest]
    return list(dict.fromkeys([*whole, *words]))[:_MAX_WORDS]


def may_resemble(words: str, common: frozenset[str]) -> bool:
    """Whether what resembles ``words`` may be meant: one of them is long enough and says something itself."""
    dull = DULL_WORDS | common
    return any(len(word) >= SHORTEST_WORD and word.lower() not in dull for word in _WORD.findall(words))


def names(text: str, span: str, common: frozenset[str], dull: frozenset[str] = ORDINARY_WORDS) -> bool:
    """Whether ``span`` may name a stored value in ``text``.

    A ``dull`` or ``common`` word does only as a name is written, with a capital within a sentence, or in
    quotes.  What bids to do something at a sentence's beginning doesn't.
    """
    if span.lower() in dull or span.lower() in common:
        return is_quoted(text, span) or (span[0].isupper() and starts_no_sentence(text, span))
    return not commands(text, span)


def meant(keywords: Sequence[str], said: Sequence[str], of_schema: frozenset[str]) -> list[str]:
    """Return the ``keywords`` that may name a value.

    An ordinary word and one ``of_schema`` don't if the texts ``said`` have it, in either number, but
    nowhere as a name.
    """
    ordinary = ORDINARY_WORDS | COMMON_WORDS | of_schema
    return [k for k in keywords if k.strip().lower() not in ordinary or _is_named(k.strip(), said, ordinary)]


def _is_named(word: str, said: Sequence[str], ordinary: frozenset[str]) -> bool:
    """Whether one of the texts ``said`` writes the ordinary ``word`` as a name, or none has it."""
    forms = "|".join(map(re.escape, (word, *singulars(word), *plurals(word))))
    pattern = re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE)
    written = [(text, found[0]) for text in said for found in pattern.finditer(text)]
    return not written or any(names(text, span, ordinary) for text, span in written)


def exact(
    index: TextIndex, keywords: Sequence[str], said: tuple[str, ...], common: frozenset[str]
) -> list[str]:
    """Return the labels of what stands in ``said`` or is one of ``keywords`` or their words."""
    named = [span for text in said for span in _named(index, text, common, shortest=2)]
    return [label for word in (*named, *queries(index, keywords, common)) for label in index.exact(word)]


def _add(best: dict[str, float], found: Mapping[str, float]) -> None:
    for label, likeness in found.items():
        best[label] = max(likeness, best.get(label, 0.0))


def _matches(index: TextIndex, word: str, common: frozenset[str]) -> list[tuple[str, float]]:
    """Return what ``word`` names, or else more than ``PER_WORD`` of what it resembles."""
    if exact := index.exact(word):
        return [(label, 1.0) for label in exact]
    return index.find(word, PER_WORD + 1) if may_resemble(word, common) else []


def _said(index: TextIndex, text: str, common: frozenset[str], dialect: Dialect) -> dict[str, float]:
    """Return labels of what stands in ``text``: texts (the longer of two that overlap), then parts."""
    named = _named(index, text, common, shortest=2)
    found = {label: 1.0 for span in named for label in index.exact(span)}
    taken = {word for span in named for word in span.split()}
    for word in spans(text, 1):
        if len(word) >= SHORTEST_WORD and word not in taken and names(text, word, common, DULL_WORDS):
            said = [label for form in (f"{word}s", *singulars(word)) for label in index.exact(form)]
            parts = _parts(index, word, dialect)
            found |= dict.fromkeys(said, _OTHER_NUMBER) | dict.fromkeys(parts, PART_OF_NAMES)
    return found


def _named(index: TextIndex, text: str, common: frozenset[str], shortest: int) -> list[str]:
    """Return the longest runs of words in ``text`` that are texts; those below ``shortest`` as spelt."""

    def known(span: str) -> bool:
        there = index.exact(span) if len(span) >= shortest else index.spelt(span)
        return bool(there) and names(text, span, common)

    return longest(text, known)


def _parts(index: TextIndex, word: str, dialect: Dialect) -> list[str]:
    """Return a condition for each column of which several texts have ``word`` as a part, as tents."""
    spelt: dict[str, list[str]] = {}
    for form in (word, *singulars(word)):
        for label, part in index.containing(form):
            spelt.setdefault(label.partition(" = ")[0], []).append(part)
    patterns = {column: f"%{parts[0]}%" for column, parts in spelt.items() if len(parts) > 1}
    return [f"{column} LIKE {dialect.literal(pattern)}" for column, pattern in patterns.items()]
