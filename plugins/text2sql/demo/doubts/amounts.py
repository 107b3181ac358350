"""Doubts about numbers: those of the question and of the statement, and how they are compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from plugins.text2sql.demo.doubts.reading import Reading, is_number
from plugins.text2sql.demo.grammar.numbers import clear_numbers
from plugins.text2sql.demo.question.comparisons import NUMBER_WORDS, compared

_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ)


def unused_numbers(reading: Reading) -> Iterator[str]:
    """Look for numbers that are named and missing."""
    used = {float(number) for number in _DIGITS.findall(reading.root.sql(dialect="sqlite"))}
    for number in clear_numbers(reading.topic.question):
        if number not in used:
            yield f"{number:g} is named and not used"


def unsaid_numbers(reading: Reading) -> Iterator[str]:
    """Look for a number that something must equal, where the question has none.

    Above or below 3 may be meant without a number: good reviews.
    """
    if _DIGITS.search(reading.text) or not NUMBER_WORDS.keys().isdisjoint(
        re.findall(r"[^\W\d_]+", reading.text)
    ):
        return
    for node in reading.conditions:
        if isinstance(node, exp.EQ) and is_number(node.right) and node.right.this != "0":
            yield f"{node.right.this} is not named"


def used_twice(reading: Reading) -> Iterator[str]:
    """Look for a number that the question has once and two things are compared with."""
    said = _said(reading)
    for number, count in Counter(number for _, number in _comparisons(reading)).items():
        if count > 1 and said[number] == 1:
            yield f"{number:g} is used twice"


def turned_about(reading: Reading) -> Iterator[str]:
    """Look for comparisons the other way round: less where more is said, once."""
    ways = ((">", ">="), ("<", "<="), ("=",))
    more, less, equal = ({float(number) for number in compared(reading.text, way)} for way in ways)
    said = _said(reading)
    for node, number in _comparisons(reading):
        if said[number] > 1:
            continue
        if number in more - less - equal and not isinstance(node, exp.GT | exp.GTE):
            yield f"more than {number:g} is asked for"
        if number in less - more - equal and not isinstance(node, exp.LT | exp.LTE):
            yield f"less than {number:g} is asked for"
        if number in equal - more - less and not isinstance(node, exp.EQ):
            yield f"exactly {number:g} is asked for"


def _said(reading: Reading) -> Counter[float]:
    """Return how often the question has each number in digits."""
    return Counter(float(number) for number in _DIGITS.findall(reading.text.replace(",", "")))


def _comparisons(reading: Reading) -> Iterator[tuple[exp.Expr, float]]:
    for node in reading.root.find_all(*_COMPARISONS):
        if is_number(node.right):
            yield node, float(node.right.this)
