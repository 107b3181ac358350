"""A question before it is finished, and what its forms share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plugins.text2sql.demo.training.language.phrase import Meaning, Phrase

_DATED = ("max(orders.ordered_on)", "min(orders.ordered_on)")
# What stands in brackets, with them, and what is in brackets within.
_BRACKETS = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\)")
_NUMBERS = ("price", "cost", "stock", "total", "fee", "id", "rating", "quantity")


@dataclass(slots=True)
class Draft(Meaning):
    """A question before it is finished: its words, and the parts of its SQL with qualified columns."""

    text: str
    root: str
    select: str
    tail: str = ""
    what: str = ""

    @property
    def columns(self) -> list[str]:
        """What is shown; of functions only the name."""
        return _BRACKETS.sub("()", self.select.removeprefix("DISTINCT ")).split(", ")

    @property
    def shape(self) -> tuple[str, str, str]:
        """How many rows and columns the result has, and what its first column holds."""
        first = self.columns[0].rpartition(".")[2]
        dated = first.endswith(("_on", "_since")) or self.select.startswith(_DATED)
        number = first.endswith(_NUMBERS) or ("(" in first and first != "substr()")
        count = ("one column", "two columns", "three columns")[min(len(self.columns), 3) - 1]
        one_row = self.tail.endswith(" LIMIT 1") or ("(" in first and not self.tail)
        kind = "a date" if dated else "a number" if number else "a text"
        return "one row" if one_row else "several rows", count, kind


def plural(words: str) -> str:
    """Return a noun, maybe followed by "of …", in the plural."""
    head, *rest = words.split(" of ")
    if head == "person":
        head = "people"
    elif head.endswith("y"):
        head = f"{head[:-1]}ies"
    elif head.endswith("us"):
        head += "es"
    elif not head.endswith("s"):
        head += "s"
    return " of ".join((head, *rest))


def which(phrase: Phrase, noun: str) -> str:
    """Return "which" with the phrase, as "which customers live in Berlin" where that can be said."""
    text = phrase.text(noun)
    if phrase.post and not phrase.whole:
        last = phrase.post[-1]
        bare = re.sub(r"^(who|that|which) ", "", last)
        text = text.removesuffix(last) + bare
    return text
