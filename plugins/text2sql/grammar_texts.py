"""Which texts SQL may compare with: any, or what is known about one question.

A tiny model can choose a name, but hardly copy one, and at times it forgets one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plugins.text2sql.grammar_tree import Letter, Node, Repeat, Rule, alt, is_plain, max_length, seq
from plugins.text2sql.schema import Column, DatabaseSchema, Kind, Table, identifier, literal
from plugins.text2sql.spans import longest, spans

MAX_VALUE_CHARACTERS = 40
_MOST_WORDS = 4
_MOST_NAMED = 3
_ANY = Rule("text", seq("'", Repeat(Letter(), 1, MAX_VALUE_CHARACTERS), "'"))
_ANY_PATTERN = Rule("pattern", seq("'%", Repeat(Letter(), 1, MAX_VALUE_CHARACTERS), "%'"))
_MAX_BYTES = max_length(_ANY)

Place = tuple[str, str]
"""The names of a table and of one of its columns."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The quoted texts that a column may be compared with; any by default.

    ``known`` are those of a column, ``other`` those of all other columns, ``pattern`` those after LIKE.  Each
    of ``named`` must be used, wherever it is stored: its places with their texts.
    """

    known: Mapping[Place, Sequence[str]] = field(default_factory=dict)
    other: Node = _ANY
    pattern: Node = _ANY_PATTERN
    named: Sequence[Mapping[Place, Sequence[str]]] = ()

    def of(self, table: Table, column: Column) -> Node:
        """Return the texts of ``column`` of ``table``."""
        if known := self.known.get((table.name, column.name)):
            return alt(*known)
        if self.other is not _ANY:
            return self.other
        odd = [text for text in column.samples if isinstance(text, str) and not is_plain(text)]
        return alt(_ANY, *(literal(text) for text in odd if len(text) <= MAX_VALUE_CHARACTERS))


def texts_about(schema: DatabaseSchema, question: str, found: Sequence[str]) -> Texts:
    """Return the texts that may occur in SQL about ``question``.

    Those of a column are in the ``found`` conditions (as retrieval gives them), only what the question names
    if it does, and the column's choices.  Where there is none of either, and after LIKE, they are some words
    of the question, as they stand or capitalised.  Names of an open column or of several words must be used.
    No text is longer than one of the free ones.
    """
    stored = {
        (table.name, column.name): (column, _found(table, column, found))
        for table in schema.tables
        for column in table.columns
        if column.kind == Kind.TEXT
    }
    named = _named(question, stored)
    said = _said(question, named)
    if not said:
        return Texts()
    exact: dict[Place, list[str]] = {}
    for name in named:
        for place, texts in name.items():
            exact[place] = [*exact.get(place, ()), *texts]
    known = {
        place: exact.get(place) or _short([*texts, *map(literal, column.choices)])
        for place, (column, texts) in stored.items()
    }
    patterns = _short([literal(f"%{text}%") for text in spans(question, _MOST_WORDS)])
    return Texts(known, Rule("said", alt(*said)), Rule("pattern", alt(*patterns)), named[:_MOST_NAMED])


def _said(question: str, named: Sequence[Mapping[Place, Sequence[str]]]) -> list[str]:
    """Return words of the question, as they stand and capitalised, without those of stored names."""
    taken = {word for name in named for texts in name.values() for text in texts for word in _words(text)}
    words = spans(question, _MOST_WORDS)
    free = [span for span in words if taken.isdisjoint(_words(span))] or words
    capital = (" ".join(word[:1].upper() + word[1:] for word in span.split(" ")) for span in free)
    return _short([literal(text) for text in (*free, *capital)])


def _words(text: str) -> list[str]:
    return text.casefold().strip("'").split()


_Stored = Mapping[Place, tuple[Column, Sequence[str]]]


def _named(question: str, stored: _Stored) -> list[Mapping[Place, Sequence[str]]]:
    """Return where each name of the question is stored; names in the same places come together."""

    def places(span: str) -> tuple[Place, ...]:
        text = literal(span).casefold()
        return tuple(
            place
            for place, (column, texts) in stored.items()
            # A choice may be a common word, such as paid.
            if (not column.choices or " " in span) and any(known.casefold() == text for known in texts)
        )

    together: dict[tuple[Place, ...], list[str]] = {}
    for span in longest(question, lambda span: _is_name(span, question) and bool(places(span))):
        together.setdefault(places(span), []).append(literal(span).casefold())
    return [
        {place: [text for text in stored[place][1] if text.casefold() in names] for place in where}
        for where, names in together.items()
    ]


def _is_name(span: str, question: str) -> bool:
    """Return whether a stored value is meant: one small word may be a common one, if names have capitals."""
    return " " in span or not span.islower() or question[1:].islower()


def _found(table: Table, column: Column, conditions: Sequence[str]) -> list[str]:
    start = f"{identifier(table.name)}.{identifier(column.name)} = "
    return _short([line.removeprefix(start) for line in conditions if line.startswith(start)])


def _short(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if len(text.encode()) <= _MAX_BYTES]
