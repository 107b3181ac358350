"""Which words of a schema's names a question's word is like: itself, spelt otherwise, or shortened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_SHORTEST = 3
"""Shorter words are like themselves alone."""
_LEAST_SHARED = 0.4
"""Of the trigrams of two words; PostgreSQL's ``pg_trgm`` takes 0.3, at which *status* is like *station*."""
_SHORTENED = 0.7
"""How like a word its abbreviation is, and a word that it begins."""
_VOWELS = frozenset("aeiou")


class NameWords:
    """The words of a schema's names, in small letters.  Made once, then only read, from any thread."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._trigrams: dict[str, int] = {}
        self._with_trigram: dict[str, list[str]] = {}
        self._by_letter: dict[str, list[str]] = {}
        for word in sorted(filter(_may_differ, self._words)):
            self._by_letter.setdefault(word[0], []).append(word)
            trigrams = _trigrams(word)
            self._trigrams[word] = len(trigrams)
            for trigram in trigrams:
                self._with_trigram.setdefault(trigram, []).append(word)

    def like(self, word: str) -> dict[str, float]:
        """Return what ``word`` is like, with the likeness: 1 for itself.

        For others it is the share of their trigrams that both have (Jaccard), at least 0.4, or 0.7 where one
        begins with the other (``cust``) or leaves out letters of it, as abbreviations do (``qty``, ``whse``).
        """
        found: dict[str, float] = {}
        if _may_differ(word):
            trigrams = _trigrams(word)
            shared = Counter(other for trigram in trigrams for other in self._with_trigram.get(trigram, ()))
            for other, common in shared.items():
                likeness = common / (len(trigrams) + self._trigrams[other] - common)
                if likeness >= _LEAST_SHARED:
                    found[other] = likeness
            for other in self._by_letter.get(word[0], ()):
                short, long = sorted((word, other), key=len)
                if long.startswith(short) or (short == other and _shortens(short, long)):
                    found[other] = max(_SHORTENED, found.get(other, 0.0))
        if word in self._words:
            found[word] = 1.0
        return found


def _may_differ(word: str) -> bool:
    """Whether another word may be meant: digits are never misspelt."""
    return len(word) >= _SHORTEST and word.isalpha()


def _trigrams(word: str) -> frozenset[str]:
    """Return the runs of three letters, as ``pg_trgm`` has them: two spaces before the word, one behind."""
    padded = f"  {word} "
    return frozenset(padded[place : place + 3] for place in range(len(padded) - 2))


def _shortens(short: str, long: str) -> bool:
    """Whether ``short`` is ``long`` without some letters.

    It has no vowels but at the ends of both, or begins with the same three letters.
    """
    inner = short[1:-1] if short[-1] == long[-1] else short[1:]
    if _VOWELS & set(inner) and short[:_SHORTEST] != long[:_SHORTEST]:
        return False
    letters = iter(long)
    return all(letter in letters for letter in short)
