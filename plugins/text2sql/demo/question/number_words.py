"""Numbers as a question writes them, two and 1,500.50, and as SQL does."""

from __future__ import annotations

import re

_NAMES = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBER_WORDS = {name: str(number) for number, name in enumerate(_NAMES.split())}
NUMBER_WORDS |= {"once": "1", "twice": "2", "couple": "2", "pair": "2", "dozen": "12"}
"""Words for numbers, with their digits."""


def plain(number: str) -> str:
    """Return ``number`` as SQL writes it: 1,500.50 as 1500.5 and 9,99 as 9.99.

    Raises:
        ValueError: it is none, or has points between thousands.
    """
    thousands = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number)
    value = float(number.replace(",", "" if thousands else "."))
    return str(int(value)) if value.is_integer() else str(value)
