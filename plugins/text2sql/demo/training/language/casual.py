"""How people really type: fillers, small letters, missing words and marks, parts in another order."""

from __future__ import annotations

import random
import re

from plugins.text2sql.demo.training.language.expand import expand

_BEFORE = (
    "("
    "please|hey|hi|hello,|ok,|so,|quick question:|can you tell me|could you tell me|"
    "can you show me|i need|i want to know|i would like to know|i'd like to know|do you know|"
    "tell me|please tell me|just wondering,|for my report:|we need to know|question:|"
    "could you check|let me know|find out|hey there,|yo,|morning!|any idea|would you mind telling me|"
    "i was wondering|one more:|next:|help me out:|boss wants to know|i'm trying to find out|need|"
    "my boss asks|i'm curious,|good morning,|hi there!|hello!|could you please tell me|can you give me|"
    "i want,|i'd love to see|i would like to see|be so kind and tell me|for the meeting:|dear team,|"
    "what i need:|we want to know|please check|pls tell me|can you find|may i know|i have to know|show us"
    ")"
)
_AFTER = (
    "("
    "please|thanks|thank you|for me|right now|currently|in our shop|in the shop|"
    "in the database|in total|overall|exactly|, please|again|, thanks|today|asap|, cheers|for the team|"
    "pls|so far|in our system|on file|these days|at the moment|altogether|all together|if possible|"
    ", please and thanks|would be great|(roughly)|as a list|in a table|at all|for my report|of all time|"
    "right away|, that's all|in the catalog|in our range"
    ")"
)
_ASIDE = frozenset(
    (
        "the",
        "a",
        "an",
        "of",
        "all",
        "do",
        "does",
        "did",
        "are",
        "is",
        "was",
        "were",
        "have",
        "has",
        "we",
        "our",
        "me",
        "there",
        "that",
        "which",
        "who",
        "please",
        "in",
    )
)
_SHORT = {
    "number": "no.",
    "average": "avg",
    "maximum": "max",
    "minimum": "min",
    "are": "r",
    "and": "&",
    "please": "pls",
    "what": "whats",
    "quantity": "qty",
    "customers": "custs",
    "products": "prods",
    "category": "cat",
    "department": "dept",
    "orders": "order",
    "with": "w/",
}
# As somebody writes whose language is another one.
_FOREIGN = {
    "are": "is",
    "is": "are",
    "have": "has",
    "has": "have",
    "were": "was",
    "than": "then",
    "did": "has",
    "does": "do",
    "who": "which",
    "bought": "buyed",
    "sold": "selled",
    "paid": "payed",
    "spent": "spended",
    "most": "the most",
    "least": "the least",
    "in": "at",
    "for": "of",
    "by": "from",
}
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
        words = [word for word in words if word.lower() not in _ASIDE or rng.random() > rate] or words
    if rng.random() < 0.12:
        words = [_SHORT.get(word, word) if rng.random() < 0.5 else word for word in words]
    if rng.random() < 0.08:
        words = [_FOREIGN.get(word, word) if rng.random() < 0.3 else word for word in words]
    if rng.random() < 0.1:
        words = [_slipped(word, rng) if rng.random() < 0.15 else word for word in words]
    text = " ".join(words)
    if rng.random() < 0.3:
        text = f"{expand(_BEFORE, rng)} {_small_start(text)}"
    if rng.random() < 0.2:
        text = f"{text} {expand(_AFTER, rng)}".replace(" ,", ",")
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
