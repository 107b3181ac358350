"""How a question compares its numbers: more than 5, at most 20 euros, exactly 3."""

from __future__ import annotations

import re
from collections.abc import Iterable

NUMBER_NAMES = tuple("zero one two three four five six seven eight nine ten eleven twelve".split())  # noqa: SIM905
"""The words for 0 to 12 in their order."""
NUMBER_WORDS = {name: str(number) for number, name in enumerate(NUMBER_NAMES)}
NUMBER_WORDS |= {"once": "1", "twice": "2", "couple": "2", "pair": "2", "dozen": "12"}
"""Words for numbers, with their digits."""
FIGURES = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?"
"""A pattern for numbers in digits, such as 1,500.50 and 9,99."""
_NUMBER = rf"(?<![\w.,])(?:€ ?)?({FIGURES}|{'|'.join(NUMBER_WORDS)})(?!\w)"
_OR = rf"{_NUMBER}(?: (?:€|eur|euros?|stars?|units?|pieces?))? or"
_THAN = rf" (?:than|then) {_NUMBER}"
_WORDINGS = {
    ">": (
        rf"(?<!no )(?<!not )\b(?:more|greater|higher|larger|bigger){_THAN}",
        rf"\b(?:over|above|exceed(?:ing|s)|upwards of|north of|beyond) {_NUMBER}",
        rf"(?<!<)> ?{_NUMBER}",
    ),
    ">=": (
        rf"\b(?:no|not) (?:less|lower|smaller|fewer|cheaper){_THAN}",
        rf"\b(?:at least|min(?:imum)?(?: of)?) {_NUMBER}",
        rf"(?<!<)>= ?{_NUMBER}",
        rf"{_OR} (?:more|higher|above|better)\b(?! th[ae]n)",
    ),
    "<": (
        rf"(?<!no )(?<!not )\b(?:less|lower|smaller|fewer|cheaper){_THAN}",
        rf"\b(?:under|below) {_NUMBER}",
        rf"< ?{_NUMBER}",
    ),
    "<=": (
        rf"\b(?:no|not) (?:more|greater|higher|larger|bigger){_THAN}",
        rf"\b(?:at most|max(?:imum)?(?: of)?|up to) {_NUMBER}",
        rf"<= ?{_NUMBER}",
        rf"{_OR} (?:less|fewer|lower|below)\b(?! th[ae]n)",
    ),
    "=": (rf"\b(?:exactly|equal to) {_NUMBER}",),
}
_PATTERNS = {sign: [re.compile(wording) for wording in wordings] for sign, wordings in _WORDINGS.items()}
# What stands behind it may be meant the other way round: not over 50.
_NEGATED = re.compile(
    r"(?:n['’]t|\b(?:not|never|without|except|excluding|neither|nor|nothing|none|(?:anything|all) but))"
    r"(?: \w+){0,3} $"
)


def compared(text: str, signs: Iterable[str]) -> set[str]:
    """Return the numbers that ``text``, in small letters, compares by one of ``signs``.

    They are as SQL writes them, see :func:`plain`.  What is negated doesn't count.

    Raises:
        KeyError: a sign is none of ``>``, ``>=``, ``<``, ``<=`` and ``=``.
    """
    matches = (match for sign in signs for pattern in _PATTERNS[sign] for match in pattern.finditer(text))
    found = [match[1] for match in matches if not _NEGATED.search(text[: match.start()])]
    return {NUMBER_WORDS.get(number) or plain(number) for number in found}


def spelt(number: str) -> str:
    """Return a pattern for ``number``, as SQL writes it, and the words for it."""
    return "|".join([re.escape(number), *(word for word, digits in NUMBER_WORDS.items() if digits == number)])


def plain(number: str) -> str:
    """Return ``number`` as SQL writes it: 1,500.50 as 1500.5 and 9,99 as 9.99.

    Raises:
        ValueError: it is none, or has points between thousands.
    """
    thousands = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number)
    value = float(number.replace(",", "" if thousands else "."))
    return str(int(value)) if value.is_integer() else str(value)
