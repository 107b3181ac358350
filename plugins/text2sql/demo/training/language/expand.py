"""A notation for paraphrases: ``(a|b)`` is a choice, ``[x]`` may be left out, ``{slot}`` is filled in."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PIECE = re.compile(r"[()\[\]|]|[^()\[\]|]+")
_SPACES = re.compile(r" {2,}")

_Part = str | tuple[bool, tuple[tuple["_Part", ...], ...]]
# A text, or whether it may be left out and its alternatives.


def phrasings(name: str) -> Mapping[str, Any]:
    """Return the wordings in the file ``name``.toml beside this module."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text("utf-8"))


def expand(pattern: str, rng: random.Random, slots: Mapping[str, str] | None = None) -> str:
    """Return one reading of ``pattern``, drawn by ``rng``, with its ``slots`` filled in.

    Raises:
        KeyError: ``pattern`` has a slot that ``slots`` lacks.
        ValueError: its brackets don't match.
    """
    text = _draw(_parsed(pattern), rng)
    text = text.format_map(slots) if slots else text
    return _SPACES.sub(" ", text).strip()


def added(text: str, words: str) -> str:
    """Return ``text`` with further ``words``, which may begin with a comma."""
    return f"{text} {words}".replace(" ,", ",").strip()


def _draw(parts: tuple[_Part, ...], rng: random.Random) -> str:
    drawn = []
    for part in parts:
        if isinstance(part, str):
            drawn.append(part)
        elif not part[0] or rng.random() < 0.5:
            drawn.append(_draw(rng.choice(part[1]), rng))
    return "".join(drawn)


@cache
def _parsed(pattern: str) -> tuple[_Part, ...]:
    pieces = _PIECE.findall(pattern)[::-1]
    alternatives = _alternatives(pieces)
    if pieces or len(alternatives) != 1:
        raise ValueError(f"the brackets of {pattern!r} don't match")
    return alternatives[0]


def _alternatives(pieces: list[str]) -> tuple[tuple[_Part, ...], ...]:
    """Read up to the closing bracket, which stays; ``pieces`` are in reverse order."""
    found: list[list[_Part]] = [[]]
    while pieces and pieces[-1] not in ")]":
        piece = pieces.pop()
        if piece == "|":
            found.append([])
        elif piece in "([":
            inner = _alternatives(pieces)
            if not pieces or pieces.pop() != {"(": ")", "[": "]"}[piece]:
                raise ValueError(f"a bracket {piece!r} is not closed")
            found[-1].append((piece == "[", inner))
        else:
            found[-1].append(piece)
    return tuple(map(tuple, found))
