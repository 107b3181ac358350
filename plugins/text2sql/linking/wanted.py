"""What a question asks for, as far as its words and what was retrieved for it tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from plugins.text2sql.databases.schema import Column, DatabaseSchema
from plugins.text2sql.retrieval.function_words import FUNCTION_WORDS
from plugins.text2sql.retrieval.likeness import folded
from plugins.text2sql.spans import NAME_PART, singulars

_RETRIEVED_WEIGHT = 3
"""That a column was retrieved says more than a word in its name."""
_COLUMN_WEIGHT = 2
"""A word in a column's name says more than one in its description, which is longer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question's ``words``, and the ``columns`` (table, column) that retrieval found like them.

    ``valued``: for each value that the question names exactly, the tables that hold it.
    """

    words: frozenset[str] = frozenset()
    columns: frozenset[tuple[str, str]] = frozenset()
    valued: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(
        cls,
        labels: Mapping[str, tuple[str, str]],
        question: str,
        keywords: Sequence[str] = (),
        values: Sequence[str] = (),
        columns: Sequence[str] = (),
    ) -> Wanted:
        """Return what ``question`` wants; ``values`` and ``columns`` are retrieval's by the ``labels``."""
        found = [(labels.get(label), value) for label, _, value in (line.partition(" = ") for line in values)]
        holders: dict[str, set[str]] = {}
        for label, value in found:
            if label and _is_named(value, question, keywords):
                holders.setdefault(value, set()).add(label[0])
        known = [label for label, _ in found] + [labels.get(column) for column in columns]
        return cls(
            frozenset().union(*map(stems, (question, *keywords))),
            frozenset(filter(None, known)),
            tuple(frozenset(tables) for tables in holders.values()),
        )

    def named(self, tables: Sequence[str]) -> list[str]:
        """Return the tables that hold a value which the question names and none of ``tables`` holds."""
        missing = [holders for holders in self.valued if holders.isdisjoint(tables)]
        return sorted(frozenset().union(*missing))

    def of_column(self, table: str, column: Column) -> int:
        """Return how much speaks for ``column`` of ``table``: it was retrieved, its name, its description."""
        retrieved = (table, column.name) in self.columns
        named = len(self.words & _known_stems(column.name)) + _RETRIEVED_WEIGHT * retrieved
        return _COLUMN_WEIGHT * named + len(self.words & _known_stems(column.description))


def column_labels(schema: DatabaseSchema) -> dict[str, tuple[str, str]]:
    """Return the columns (table, column) by their names as SQL, and retrieval, has them."""
    identifier = schema.dialect.identifier
    return {
        f"{identifier(table.name)}.{identifier(column.name)}": (table.name, column.name)
        for table in schema.tables
        for column in table.columns
    }


def _is_named(literal: str, question: str, keywords: Sequence[str]) -> bool:
    """Return whether ``question`` has the text of ``literal``, or it is one of ``keywords``."""
    text = folded(literal.strip("'").replace("''", "'"))
    if not text:
        return False
    said = re.search(rf"(?<!\w){re.escape(text)}(?!\w)", folded(question))
    return said is not None or text in map(folded, keywords)


def stems(text: str) -> frozenset[str]:
    """Return the words of ``text`` and of names put together in it, also without the plural's ending."""
    words = {folded(part) for part in NAME_PART.findall(text)} - FUNCTION_WORDS
    return frozenset(words.union(*(singulars(word) for word in words))) - {""}


@lru_cache(maxsize=2**16)
def _known_stems(text: str) -> frozenset[str]:
    """Return the words of a text of a schema, which every question is compared with."""
    return stems(text)
