"""A question before it is finished, and what its forms share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from plugins.text2sql.demo.training.language.literals import Said
from plugins.text2sql.demo.training.language.phrase import Phrase

_DATED = ("max(orders.ordered_on)", "min(orders.ordered_on)")
BRACKETS = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
"""What stands in brackets, with them, and what is in brackets within: a pattern."""
_NUMBERS = ("price", "cost", "stock", "total", "fee", "id", "rating", "quantity")


@dataclass(slots=True)
class Draft:
    """A question before it is finished: its words, and the parts of its SQL with qualified columns."""

    text: str
    root: str
    select: str
    where: list[str] = field(default_factory=list)
    tail: str = ""
    what: str = ""
    conditions: list[str] = field(default_factory=list)
    values: list[Said] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """What is shown; of functions only the name."""
        items = re.sub(BRACKETS, "()", self.select.removeprefix("DISTINCT "))
        return items.split(", ")

    @property
    def shape(self) -> tuple[str, str, str]:
        """How many rows and columns the result has, and what its first column holds."""
        columns = self.columns
        first = columns[0].rpartition(".")[2]
        kind = "a number" if "(" in first or first.endswith(_NUMBERS) else "a text"
        kind = "a text" if first == "substr()" else kind
        dated = first.endswith(("_on", "_since")) or self.select.startswith(_DATED)
        kind = "a date" if dated else kind
        count = ("one column", "two columns", "three columns")[min(len(columns), 3) - 1]
        one_row = "(" in columns[0] if not self.tail else self.tail.endswith(" LIMIT 1")
        return "one row" if one_row else "several rows", count, kind

    def about(self, phrase: Phrase) -> Draft:
        """Add the conditions of ``phrase``."""
        self.where += phrase.where
        self.conditions += phrase.conditions
        self.values += phrase.values
        return self


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
