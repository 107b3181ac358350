"""Which texts SQL may compare with: any, or what is known about one question.

A tiny model can choose a name, but hardly copy one, and at times it forgets one.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import permutations

from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier, literal
from plugins.text2sql.demo.grammar.tree import Letter, Node, Repeat, Rule, alt, is_plain, max_length, seq
from plugins.text2sql.demo.question.common import COMMON
from plugins.text2sql.demo.question.exclusions import LINK, excluded
from plugins.text2sql.spans import longest, spans

MAX_VALUE_CHARACTERS = 40
_MOST_WORDS = 4
_MOST_NAMED = 3
MOST_TEXTS = 3
"""What one comparison names at the most."""
# No value ends so, or begins so apart from the articles, unless retrieval finds it.
_LINKING = (
    "a all an and any are at based by come eur euro euros for from has have how in is list live located made"
    " many me much my of on or our show that the their there to was we were what when where which who whose"
    " with"
)
_NO_ENDS = frozenset(_LINKING.split()).union(name.casefold() for name in calendar.month_name)
_NO_STARTS = _NO_ENDS - {"a", "an", "the"}
_PART = re.compile(r"(?<= LIKE )'%.*%'$")
_LINKS = (" or ", " and ", " & ", ", ")
_LINK = re.compile(LINK)
_ANY = Rule("text", seq("'", Repeat(Letter(), 1, MAX_VALUE_CHARACTERS), "'"))
_ANY_PATTERN = Rule("pattern", seq("'%", Repeat(Letter(), 1, MAX_VALUE_CHARACTERS), "%'"))
_MAX_BYTES = max_length(_ANY)

Place = tuple[str, str]
"""The names of a table and of one of its columns."""
_Stored = Mapping[Place, tuple[Column, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Name:
    """What a question names: the ``places`` where it is stored, with its texts there.

    ``joined``: they are several and the question joins them all, as in Rome or Paris.  ``excluded`` says
    whether the question excludes them, ``None`` that this isn't sure.
    """

    places: Mapping[Place, Sequence[str]]
    joined: bool
    excluded: bool | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """The quoted texts that a column may be compared with; any by default.

    ``known`` are those of a column, ``other`` those (if any) of all other columns, ``pattern`` those after
    LIKE.  Each of ``named`` must be used, in one of its places.  Nothing else is asked of those ``taken``.
    """

    known: Mapping[Place, Sequence[str]] = field(default_factory=dict)
    other: Node | None = _ANY
    pattern: Node | None = _ANY_PATTERN
    named: Sequence[Name] = ()
    taken: Set[Place] = frozenset()

    def of(self, table: Table, column: Column) -> Node | None:
        """Return the texts of ``column`` of ``table``, if there are any."""
        if known := self.known.get((table.name, column.name)):
            return alt(*known)
        if self.other is not _ANY:
            return self.other
        odd = [text for text in column.samples if isinstance(text, str) and not is_plain(text)]
        return alt(_ANY, *(literal(text) for text in odd if len(text) <= MAX_VALUE_CHARACTERS))


def texts_about(schema: DatabaseSchema, question: str, found: Sequence[str]) -> Texts:
    """Return the texts that may occur in SQL about ``question``.

    Those of a column are in the ``found`` conditions (as retrieval gives them), only what the question names
    if it does, and the column's choices.  Where there is none of either, they are other words of the
    question, as they stand or capitalised; after LIKE these and what was found.  What the question names must
    be used, unless it may be a common word.  No text is longer than one of the free ones.
    """
    stored = {
        (table.name, column.name): (
            column,
            _found(table, column, found),
        )
        for table in schema.tables
        for column in table.columns
        if column.kind == Kind.TEXT
    }
    named = _named(question, stored, _words_of(schema))[:_MOST_NAMED]
    exact: dict[Place, list[str]] = {}
    for place, texts in (item for name in named for item in name.places.items()):
        exact[place] = [*exact.get(place, ()), *texts]
    known = {
        place: (() if column.choices else exact.get(place)) or _short([*texts, *map(literal, column.choices)])
        for place, (column, texts) in stored.items()
    }
    # A value in two tables may be meant in both, or beside another one (Dutch customers, Spanish suppliers).
    taken = {
        place
        for name in named
        for place, texts in name.places.items()
        if name.joined or len(name.places) == 1 or (len(texts) == 1 and not stored[place][0].choices)
    }
    said = _said(question, named)
    said += [" ".join(word[:1].upper() + word[1:] for word in span.split(" ")) for span in said]
    other = _rule("said", [literal(text) for text in said])
    parts = [literal(f"%{text}%") for text in said]
    stored_parts = [match[0] for line in found if (match := _PART.search(line))]
    pattern = _rule("pattern", [*stored_parts, *parts])
    return Texts(known, other, pattern, named, taken)


def _rule(name: str, texts: Sequence[str]) -> Rule | None:
    short = _short(texts)
    return Rule(name, alt(*short)) if short else None


def _said(question: str, named: Sequence[Name]) -> list[str]:
    """Return the words of the question that may be values, though nothing like them was found.

    Where it has capitals (not only at its beginning), a value begins with one.
    """
    taken = _taken_words(named)
    free = [
        span
        for span in spans(question, _MOST_WORDS)
        if taken.isdisjoint(words := _words(span)) and _may_be_value(words)
    ]
    if question[1:].islower():
        return free
    return [span for span in free if not span.split()[0].islower() and not question.startswith(span)]


def _may_be_value(words: Sequence[str]) -> bool:
    return words[0] not in _NO_STARTS and not words[0].isdigit() and words[-1] not in _NO_ENDS


def _taken_words(named: Sequence[Name]) -> set[str]:
    texts = (text for name in named for texts in name.places.values() for text in texts)
    return {word for text in texts for word in _words(text)}


def _words(text: str) -> list[str]:
    return text.casefold().strip("'").split()


def _named(question: str, stored: _Stored, common: Set[str]) -> list[Name]:
    """Return where each name of the question is stored; names in the same places come together.

    Those that are no choices come first.  A ``common`` word is no choice, unless it is said as one; of other
    columns a small word is no value where the question has capitals.  Of two names said together, as Rome or
    Paris, the places count where both are stored, and a common word beside a name is one.
    """
    small = question[1:].islower()

    def is_said(span: str, table: str, column: Column) -> bool:
        if column.choices:
            if f"{span} {table}" in question:  # shipped orders
                return True
            return (span.casefold() if question.startswith(span) else span) not in common
        return small or " " in span or not span.islower()

    def places(span: str) -> dict[Place, bool]:
        text = literal(span).casefold()
        return {
            place: is_said(span, place[0], column)
            for place, (column, texts) in stored.items()
            if any(known.casefold() == text for known in texts)
        }

    meant = {span: places(span) for span in longest(question, lambda span: bool(places(span)))}
    for one, two in permutations(meant, 2):
        both = {p: True for p in meant[one] if p in meant[two] and (meant[one][p] or meant[two][p])}
        if both and any(f"{one}{link}{two}" in question for link in _LINKS):
            meant[one] = meant[two] = both
    together: dict[tuple[Place, ...], list[str]] = {}
    for span, where in meant.items():
        if said := tuple(place for place in where if where[place]):
            together.setdefault(said, []).append(span)
    named = [span for them in together.values() for span in them]
    ways = dict(zip(named, excluded(question, named), strict=True))
    names = [_name(question, stored, where, {t: ways[t] for t in them}) for where, them in together.items()]
    return sorted(names, key=lambda name: any(stored[place][0].choices for place in name.places))


def _name(question: str, stored: _Stored, where: Sequence[Place], ways: Mapping[str, bool | None]) -> Name:
    """Return the name that the keys of ``ways`` (in their order) are together, excluded as they are."""
    joined = _joined(question, list(ways))
    # The first of joined ones tells: of those behind it nothing may be said.
    told = {next(iter(ways.values()))} if joined else set(ways.values())
    return Name(_texts_at(stored, where, list(ways)), joined, told.pop() if len(told) == 1 else None)


def _texts_at(stored: _Stored, where: Sequence[Place], named: Sequence[str]) -> Mapping[Place, Sequence[str]]:
    small = {literal(span).casefold() for span in named}
    return {place: [text for text in stored[place][1] if text.casefold() in small] for place in where}


def _joined(question: str, named: Sequence[str]) -> bool:
    """Return whether ``named`` are some texts between which the question has nothing but a link."""
    order = sorted(named, key=question.find)
    ends = [question.find(span) + len(span) for span in order]
    between = [question[end : question.find(span)] for end, span in zip(ends, order[1:], strict=False)]
    return 1 < len(named) <= MOST_TEXTS and all(_LINK.fullmatch(words.casefold()) for words in between)


def _words_of(schema: DatabaseSchema) -> Set[str]:
    """Return the words of column names, and others that may mean something else than a stored value."""
    columns = (column.name for table in schema.tables for column in table.columns)
    return COMMON.union(*(name.casefold().split("_") for name in columns))


def _found(table: Table, column: Column, conditions: Sequence[str]) -> list[str]:
    start = f"{identifier(table.name)}.{identifier(column.name)} = "
    return _short([line.removeprefix(start) for line in conditions if line.startswith(start)])


def _short(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if len(text.encode()) <= _MAX_BYTES]
