"""Words with one slip of the hand: a letter left out, or two neighbours swapped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SHORTEST = 5
_WORD = re.compile(r"[^\W\d_]+")


def slips(words: Iterable[str]) -> dict[str, str]:
    """Return the words of five letters or more by each spelling with one slip."""
    return {
        spelt: word
        for word in words
        if len(word) >= _SHORTEST
        for place in range(len(word))
        for spelt in (
            word[:place] + word[place + 1 :],
            word[:place] + word[place + 1 : place + 2] + word[place] + word[place + 2 :],
        )
        if spelt != word
    }


def corrected(text: str, spelt: Mapping[str, str]) -> str:
    """Return ``text`` with each word in ``spelt`` (as :func:`slips` gives it) as it should be."""
    return _WORD.sub(lambda match: spelt.get(match[0], match[0]), text)
