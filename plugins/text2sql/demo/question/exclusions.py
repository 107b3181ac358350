"""Which of the names that a question has it excludes: customers that aren't from Spain."""

from __future__ import annotations

import re
from collections.abc import Sequence

EXCLUDING = (
    r"without|outside|except(?:ing)?(?: for)?|excluding|(?:other|rather) than|instead of|(?:apart|aside) from"
    r"|besides|minus|non|(?:all|any\w*|every\w*) but"
)
"""A pattern for words, in small letters, that exclude what stands behind them."""
LINK = r"(?:,|,? (?:or|and|&|nor))(?: (?:the|from|in|by|with))* "
"""A pattern for what may stand between the names of a list."""

_MORE = "(?:more|less|fewer|later|earlier|lower|higher|smaller|larger|cheaper)"
_AUXILIARY = "(?:do|does|did|is|are|was|were|has|have|had|ca|wo|could|would|should)"
_NEGATION = re.compile(
    rf"\b(?:{EXCLUDING}|neither|nether|niether|nor|w/o|nto|ont|{_AUXILIARY}nt"
    rf"|not(?! (?:{_MORE}|before|after|over|under|above|below)\b))\b|n['’‘´`]t\b"
)
# Who asks why Anna hasn't ordered excludes nobody.
_INVERTED = re.compile(rf"^(?:why |how come )?{_AUXILIARY}$")
# What may exclude in ways that aren't worked out.
_UNSURE = re.compile(
    rf"\b(?:no(?!\.| of\b| {_MORE}\b)|never|nobody|nothing|none|cannot|but|exception|excl(?!uding|usive)\w*"
    r"|omit\w*|ignor\w*|skip\w*|leav\w+|left (?:out|off)|remov\w+|disregard\w*|unlike|barring|bar|save for"
    r"|whether|filter\w*|(?<!sold )(?<!find )(?<!figure )out(?! of stock)|aside(?! from)|w/out|differ\w*"
    r"|(?:an)?others?(?! than\b))\b|!=|<>|≠"
)
# Between the word and what it excludes stand such words alone.
_BEHIND = re.compile(
    r"(?:[ -](?:in|from|at|by|of|the|an?|for|to|with|via|either|based|located|liv(?:e|es|ing)"
    r"|resid(?:e|es|ing)|com(?:e|es|ing)|named|called|category|department|city|country"
    r"|(?:shipped|delivered|sent|handled|paid|placed|made|written)(?= (?:by|with|via)\b)))*[ -]\0(\d+)\0"
)
_ALSO = re.compile(rf"{LINK}\0(\d+)\0")


def excluded(question: str, names: Sequence[str]) -> list[bool | None]:
    """Return for each of ``names``, as ``question`` writes them, whether that is what it excludes.

    ``None`` where it isn't sure: something is excluded that doesn't stand right behind the word for it, or
    the name stands in a list after one that is excluded.
    """
    text = " ".join(question.casefold().replace("\0", " ").split())
    for number in sorted(range(len(names)), key=lambda place: -len(names[place])):
        name = re.escape(names[number].casefold())
        text = re.sub(rf"(?<!\w){name}(?!\w)", f"\0{number}\0", text, count=1)
    unsure: list[bool | None] = [None] * len(names)
    found: list[bool | None] = [False] * len(names)
    for negation in _NEGATION.finditer(text):
        behind = _BEHIND.match(text, negation.end())
        if behind is None or _INVERTED.match(text[: negation.start()]):
            return unsure
        found[int(behind[1])] = True
        while (behind := _ALSO.match(text, behind.end())) is not None:
            found[int(behind[1])] = None
    return unsure if _UNSURE.search(_NEGATION.sub(" ", text)) else found
