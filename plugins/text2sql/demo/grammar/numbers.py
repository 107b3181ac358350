"""Which numbers SQL may compare with: any, or what is known about one question.

A tiny model miscopies digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from plugins.text2sql.databases.schema import Column, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier, literal
from plugins.text2sql.demo.grammar.texts import MAX_VALUE_CHARACTERS
from plugins.text2sql.demo.grammar.tree import Node, Repeat, Rule, alt, optional, seq
from plugins.text2sql.demo.question.number_words import NUMBER_WORDS, plain

COMPARISON = Rule("comparison", alt(" = ", " < ", " <= ", " > ", " >= "))
DIGIT = Rule("digit", alt(*"0123456789"))
_INTEGER = Rule("integer", alt("0", seq(alt(*"123456789"), Repeat(DIGIT, 0, 5))))
_DECIMAL = Rule("decimal", seq(_INTEGER, optional(seq(".", Repeat(DIGIT, 1, 2)))))
_ANY_COMPARISON = seq(COMPARISON, _DECIMAL)
_RANGE = seq(_INTEGER, " AND ", _INTEGER)
_LIMIT = Rule("limit", seq(" LIMIT ", alt(*"123456789"), optional(DIGIT)))
_MOST_CHARACTERS = 9
_LONGEST_SCALE = 10
_MOST_ROWS = 1000
# What goes unsaid: no or any stock, once or repeatedly; where no number is said also several, or well rated.
_ALWAYS, _USUAL = ("0", "1"), ("2", "3", "4", "5")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:[.,]\d+)?|[^\W\d_]+")
# What larger numbers are made of: their meaning isn't worked out.
_LARGER = re.compile(
    r"\d\.\d{3}\b|\d ?(?:k|m)\b|\b(?:\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b"
    r"|hundred|thousand|million|dozens|%|percent"
)
# A count of rows stands first or behind one of these, before a noun, where something is the most.
_LEADS = "top bottom first last the all our which what are show list give me find get name"
_BEFORE = frozenset(_LEADS.split())
_UNITS = frozenset(
    ("euro", "euros", "eur", "star", "stars", "unit", "units", "piece", "pieces", "or", "and", "to")
)
_MOST = re.compile(r"\b(?:most|least|top|bottom|best|worst|\w{3,}est)\b")
_DATE = re.compile(r"\b(?:19|20)\d\d-(?:0\d|1[0-2])(?:-\d\d)?\b")


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers may be compared (``comparison``), the ranges they may be in, and LIMIT; any by default.

    ``stated``: they are those of a question.
    """

    comparison: Node = _ANY_COMPARISON
    ranges: Node | None = _RANGE
    limit: Node = _LIMIT
    stated: bool = False

    def tests(self, table: Table, column: Column) -> list[Node]:
        """Return what may stand behind ``column`` of ``table``."""
        known = _scale(column) if self.stated else [literal(value) for value in column.samples]
        short = [v for v in known if len(v) <= MAX_VALUE_CHARACTERS]
        mean = f"(SELECT avg({identifier(column.name)}) FROM {identifier(table.name)})"  # noqa: S608
        compared = alt(self.comparison, seq(COMPARISON, alt(*short, mean)))
        return [compared, seq(" BETWEEN ", self.ranges)] if self.ranges is not None else [compared]


def numbers_about(question: str) -> Numbers:
    """Return the numbers that may occur in SQL about ``question``: what it states and what goes unsaid.

    A year may be a number too, unless it is that of a whole date.  Where words like thousand make larger
    numbers, any may be meant.
    """
    text = _DATE.sub(" ", question.casefold())
    if _LARGER.search(text):
        return Numbers()
    found = [NUMBER_WORDS.get(word) if word.isalpha() else plain(word) for word in _NUMBER.findall(text)]
    said = [number for number in found if number and len(number) <= _MOST_CHARACTERS]
    ranges = [sorted(pair, key=float) for pair in pairwise(said)]
    counts = [number for number in said if _counts(number)]
    compared: list[Node | str] = [
        f" {sign} {number}" for number in _ALWAYS if number not in said for sign in "=>"
    ]
    compared.append(seq(COMPARISON, Rule("stated", _any(*(said or _USUAL)))))
    return Numbers(
        comparison=Rule("stated_comparison", alt(*compared)),
        ranges=Rule("stated_range", _any(*map(" AND ".join, ranges))) if ranges else None,
        limit=Rule("limit", seq(" LIMIT ", _any(*(_counted(text) or ("1", *counts))))),
        stated=True,
    )


def _counted(text: str) -> list[str]:
    """Return the number that can only be a count of rows, if there is one: the 5 best."""
    words = _NUMBER.findall(text)
    found = [
        number
        for before, word, after in zip(["the", *words], words, words[1:], strict=False)
        if (number := NUMBER_WORDS.get(word, word)).isdigit()
        and number not in _ALWAYS
        and _counts(number)
        and before in _BEFORE
        and after.isalpha()
        and after not in _UNITS
    ]
    return found if len(found) == 1 and _MOST.search(text) else []


def _counts(number: str) -> bool:
    return number.isdigit() and 0 < int(number) <= _MOST_ROWS


def _scale(column: Column) -> list[str]:
    """Return all values of a column of few integers: who speaks of good ones thinks of some."""
    ends = column.samples or (0,)  # one where all rows have the same
    low, high = ends[0], ends[-1]
    if isinstance(low, int) and isinstance(high, int) and 0 <= low <= high <= low + _LONGEST_SCALE:
        return [str(number) for number in range(low, high + 1)]
    return []


def _any(*texts: str) -> Node:
    return alt(*dict.fromkeys(texts))
