"""How people really type: fillers, small letters, missing words and marks, parts in another order."""

from __future__ import annotations

import random
import re

from plugins.text2sql.demo.training.language.expand import expand, phrasings

_TYPED = phrasings("casual")
_FRONT = re.compile(
    r"^(.*?) ((?:in|during|since|after|before|between|on) [^,]*\b20\d\d(?:-\d\d-\d\d)?)[?.!]?$"
)
_YEAR = re.compile(r"\b20\d\d")
_WORD = re.compile(r"[a-z]{5,}")


def casual(question: str, rng: random.Random) -> str:
    """Return ``question`` as somebody may type it.  Values keep their letters, but for their case."""
    text = question
    if rng.random() < 0.25 and len(_YEAR.findall(text)) == 1 and (match := _FRONT.match(text)):
        text = f"{match[2][0].upper()}{match[2][1:]}{rng.choice((',', ''))} {_small_start(match[1])}"
    register = rng.random()
    if register < 0.45:
        return _finished(text, rng)
    words = text.split(" ")
    if rng.random() < 0.5:
        rate = rng.choice((0.1, 0.2, 0.4))
        words = [
            word for word in words if word.lower() not in _TYPED["aside"] or rng.random() > rate
        ] or words
    if rng.random() < 0.12:
        words = [_TYPED["short"].get(word, word) if rng.random() < 0.5 else word for word in words]
    if rng.random() < 0.08:
        words = [_TYPED["foreign"].get(word, word) if rng.random() < 0.3 else word for word in words]
    if rng.random() < 0.1:
        words = [_slipped(word, rng) if rng.random() < 0.15 else word for word in words]
    text = " ".join(words)
    if rng.random() < 0.3:
        text = f"{expand(_TYPED['before'], rng)} {_small_start(text)}"
    if rng.random() < 0.2:
        text = f"{text} {expand(_TYPED['after'], rng)}".replace(" ,", ",")
    if rng.random() < 0.55:
        text = text.lower()
        return text if rng.random() < 0.7 else f"{text}?"
    return _finished(text, rng)


def _finished(text: str, rng: random.Random) -> str:
    text = text[:1].upper() + text[1:]
    asks = re.match(r"(?:[A-Z][^,]*, )?(?:how|what|which|who|when|where)\b", text, re.IGNORECASE)
    if rng.random() < 0.25:
        return text
    return text + ("?" if asks else rng.choice((".", "", "")))


def _small_start(text: str) -> str:
    return text[:1].lower() + text[1:]


def _slipped(word: str, rng: random.Random) -> str:
    if not _WORD.fullmatch(word):
        return word
    place = rng.randrange(1, len(word) - 1)
    if rng.random() < 0.5:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
