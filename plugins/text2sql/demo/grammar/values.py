"""What SQL may compare with: anything, or what is known about one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.demo.grammar.dates import names_month
from plugins.text2sql.demo.grammar.numbers import Numbers, numbers_about
from plugins.text2sql.demo.grammar.texts import Texts, texts_about
from plugins.text2sql.spans import spans


@dataclass(frozen=True, slots=True)
class Values:
    """The texts and numbers that may stand in SQL, and whether whole ``months`` may; any by default."""

    texts: Texts = field(default_factory=Texts)
    numbers: Numbers = field(default_factory=Numbers)
    months: bool = True

    @property
    def free(self) -> Values:
        """The values of which none must be used."""
        return replace(self, texts=replace(self.texts, named=()))


def values_about(schema: DatabaseSchema, question: str, found: Sequence[str]) -> Values:
    """Return the values that may occur in SQL about ``question``; any if it has no word.

    ``found`` are the conditions that retrieval gives.
    """
    if not spans(question, 1):
        return Values()
    return Values(texts_about(schema, question, found), numbers_about(question), names_month(question))
