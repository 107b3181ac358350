"""Which words of a question the demo model has never met: then its answer is a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"[^\W\d_]{3,}")
_SPACE = "Ġ"
"""How byte-level tokenizers write the space before a word."""


def known_words(tokens: Iterable[str]) -> frozenset[str]:
    """Return the words, in small letters, that a vocabulary has as whole tokens."""
    return frozenset(
        token.removeprefix(_SPACE).lower() for token in tokens if _WORD.fullmatch(token.strip(_SPACE))
    )


def unfamiliar(question: str, known: frozenset[str], values: Sequence[str]) -> list[str]:
    """Return the words of ``question`` that are neither ``known`` nor in the retrieved ``values``.

    A plural or singular of a known word is known.
    """
    found = {word.lower() for value in values for word in _WORD.findall(value)}
    strange = []
    for word in _WORD.findall(question):
        small = word.lower()
        forms = {small, f"{small}s", small.removesuffix("s"), small.removesuffix("es")}
        if not forms & (known | found):
            strange.append(word)
    return list(dict.fromkeys(strange))
