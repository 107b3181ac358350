"""What SQL may compare with: anything, or what is known about one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.dates import Dates, dates_about
from plugins.text2sql.demo.grammar.numbers import Numbers, numbers_about
from plugins.text2sql.demo.grammar.texts import Texts, texts_about
from plugins.text2sql.spans import spans

_MOST_NEEDED = 4
"""More would make too long a grammar, since they may come in any order."""


@dataclass(frozen=True, slots=True)
class Values:
    """The texts, numbers and dates that may stand in SQL; any by default."""

    texts: Texts = field(default_factory=Texts)
    numbers: Numbers = field(default_factory=Numbers)
    dates: Dates = field(default_factory=Dates)

    @property
    def ways(self) -> list[tuple[int, ...]]:
        """The ways to use what must be: places among the texts' names and, after them, the needed dates."""
        names = len(self.texts.named)
        if any(names + len(way) > _MOST_NEEDED for way in self.dates.ways):
            return [tuple(range(names))]
        return [(*range(names), *(names + place for place in way)) for way in self.dates.ways]

    @property
    def free(self) -> Values:
        """The values of which none must be used."""
        return Values(replace(self.texts, named=()), self.numbers, replace(self.dates, needed=(), ways=((),)))


def values_about(schema: DatabaseSchema, question: str, found: Sequence[str]) -> Values:
    """Return the values that may occur in SQL about ``question``; any if it has no word.

    ``found`` are the conditions that retrieval gives.
    """
    if not spans(question, 1):
        return Values()
    return Values(texts_about(schema, question, found), numbers_about(question), dates_about(question))
