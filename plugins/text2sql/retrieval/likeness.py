"""When two texts are taken for the same one, spelled differently: the shorter, the nearer they must be."""

from __future__ import annotations

import re
import unicodedata

from rapidfuzz.distance import OSA, Indel

from plugins.text2sql.spans import singulars

SHORTEST_WORD = 4
"""Shorter words are never taken for others."""
_EXACT_LETTERS, _ONE_ERROR_LETTERS = 4, 5
_TWO_ERRORS, _LETTERS_PER_ERROR = 2, 4
# Letters that don't fall apart into a plain one and an accent.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"})
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_APOSTROPHES = re.compile(r"['’`´]")
_NO_SPACES = re.compile(r"[\s_\-‐‑–—]+")
_AMPERSAND = re.compile(r"(?<=\s)&(?=\s)")
_DIGITS = re.compile(r"\d+")


def folded(text: str) -> str:
    """Return ``text`` in small letters, without accents, apostrophes and possessives.

    Hyphens are spaces, and ``&`` between spaces is "and".
    """
    plain = _AMPERSAND.sub("and", _APOSTROPHES.sub("", _POSSESSIVE.sub("", text)))
    apart = unicodedata.normalize("NFKD", plain.casefold())
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return _NO_SPACES.sub(" ", unicodedata.normalize("NFC", letters).translate(_PLAIN)).strip()


def alike(said: str, stored: str) -> bool:
    """Whether ``said`` may be a misspelling of ``stored``, both :func:`folded`.

    The shorter of two words counts.  One of up to 4 letters must be equal, but for the plural or two letters
    in the wrong order; of 5 letters, the other may have one more; longer ones may have two errors, and from
    12 letters on one in four.  Names of as many words are compared word by word; a short one in them may
    lack a letter.  All digits must be the same.
    """
    if said == stored:
        return True
    if _DIGITS.findall(said) != _DIGITS.findall(stored):
        return False
    words, others = said.split(), stored.split()
    if len(words) == len(others) > 1:
        return all(_same_word(word, other, in_name=True) for word, other in zip(words, others, strict=True))
    return _same_word("".join(words), "".join(others), in_name=False)


def lengths(said: str) -> tuple[int, int]:
    """Return the least and the most characters of texts that may be :func:`alike` to ``said``."""
    errors = _errors(len(said)) + 1  # an accent or an apostrophe may count as one more
    return max(len(said) - errors, 1), len(said) + errors


def _errors(letters: int) -> int:
    return max(_TWO_ERRORS, letters // _LETTERS_PER_ERROR)


def _same_word(said: str, stored: str, *, in_name: bool) -> bool:
    forms = (said, *singulars(said))
    return said in singulars(stored) or any(_near(form, stored, in_name=in_name) for form in forms)


def _near(said: str, stored: str, *, in_name: bool) -> bool:
    if said == stored:
        return True
    letters = min(len(said), len(stored))
    if letters < SHORTEST_WORD and not in_name:
        return False
    errors = OSA.distance(said, stored)
    if errors == 1 and sorted(said) == sorted(stored):
        return True
    # Another letter makes another word (store, stone).  The words beside it may say the same all the same.
    if letters <= _EXACT_LETTERS:
        return in_name and Indel.distance(said, stored) == 1
    if letters == _ONE_ERROR_LETTERS:
        return errors == 1 and (in_name or Indel.distance(said, stored) == 1)
    return errors <= _errors(letters)
