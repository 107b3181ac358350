"""Doubts about numbers: those of the question and of the statement, and how they are compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from plugins.text2sql.doubts_reading import Reading
from plugins.text2sql.grammar_numbers import WORDS, clear_numbers, plain

_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_NUMBER = rf"(?:€ ?)?(\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:[.,]\d+)?|{'|'.join(WORDS)})(?!\w)"
_THAN = r" (?:than|then) "
_MORE = (
    re.compile(rf"(?<!no )(?<!not )\b(?:more|greater|higher|larger|bigger){_THAN}{_NUMBER}"),
    re.compile(rf"\b(?:no|not) (?:less|fewer){_THAN}{_NUMBER}"),
    re.compile(rf"\b(?:over|above|exceed(?:ing|s)|upwards of|beyond|at least|minimum(?: of)?) {_NUMBER}"),
    re.compile(rf"(?<!<)>=? ?{_NUMBER}"),
    re.compile(rf"{_NUMBER} or (?:more|higher|above|better)\b"),
)
_LESS = (
    re.compile(rf"(?<!no )(?<!not )\b(?:less|lower|smaller|fewer|cheaper){_THAN}{_NUMBER}"),
    re.compile(rf"\b(?:no|not) (?:more|higher){_THAN}{_NUMBER}"),
    re.compile(rf"\b(?:under|below|at most|max(?:imum)?(?: of)?|up to) {_NUMBER}"),
    re.compile(rf"<=? ?{_NUMBER}"),
    re.compile(rf"{_NUMBER} or (?:less|fewer|lower|below)\b"),
)
_EXACTLY = (re.compile(rf"\b(?:exactly|equal to) {_NUMBER}"),)
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
    if _DIGITS.search(reading.text) or not WORDS.keys().isdisjoint(re.findall(r"[^\W\d_]+", reading.text)):
        return
    for node in reading.conditions:
        if isinstance(node, exp.EQ) and _is_number(node.right) and node.right.this != "0":
            yield f"{node.right.this} is not named"


def used_twice(reading: Reading) -> Iterator[str]:
    """Look for a number that the question has once and two things are compared with."""
    said = Counter(float(number) for number in _DIGITS.findall(reading.text.replace(",", "")))
    compared = Counter(number for _, number in _compared(reading))
    for number, count in compared.items():
        if count > 1 and said[number] == 1:
            yield f"{number:g} is used twice"


def turned_about(reading: Reading) -> Iterator[str]:
    """Look for comparisons the other way round: less where more is said."""
    more, less, equal = (_said(reading.text, patterns) for patterns in (_MORE, _LESS, _EXACTLY))
    for node, number in _compared(reading):
        if number in more - less - equal and not isinstance(node, exp.GT | exp.GTE):
            yield f"more than {number:g} is asked for"
        if number in less - more - equal and not isinstance(node, exp.LT | exp.LTE):
            yield f"less than {number:g} is asked for"
        if number in equal - more - less and not isinstance(node, exp.EQ):
            yield f"exactly {number:g} is asked for"


def _said(text: str, patterns: tuple[re.Pattern[str], ...]) -> set[float]:
    found = [number for pattern in patterns for number in pattern.findall(text)]
    return {float(WORDS.get(number) or plain(number)) for number in found}


def _compared(reading: Reading) -> Iterator[tuple[exp.Expression, float]]:
    for node in reading.root.find_all(*_COMPARISONS):
        if _is_number(node.right):
            yield node, float(node.right.this)


def _is_number(node: exp.Expression) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string
