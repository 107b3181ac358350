"""How much a question speaks for each table of a database, without asking a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.linking.join_paths import JoinGraph
from plugins.text2sql.linking.name_likeness import NameWords
from plugins.text2sql.linking.wanted import Wanted, stems
from plugins.text2sql.spans import singulars

_NAME_WEIGHT, _WORD_WEIGHT = 3.0, 1.0
"""A word in a table's name, or a value that it holds, says more than one in a column or a description."""
_PASSED_ON = 0.5
"""The share of what speaks for a table that speaks for those that refer to it, or to which it refers."""


class Relevance:
    """The words of a schema by table.  They are taken apart at the first use; usable from any thread."""

    def __init__(self, schema: DatabaseSchema, graph: JoinGraph) -> None:
        self._schema = schema
        self._graph = graph

    def spoken_of(self, wanted: Wanted) -> dict[str, float]:
        """Return for each table how much the question speaks of it; 0: not at all.

        Each word that the question says, each value that it names and each column that was retrieved counts
        as much as it tells tables apart: the logarithm of all tables over those that it speaks for, as words
        do in search (inverse document frequency; Spärck Jones, 1972).  The names of tables are counted apart
        from the rest, since many may refer to one of them.  A word that is merely like one of the schema's
        counts in part.
        """
        said = dict.fromkeys((table.name for table in self._schema.tables), 0.0)
        for word in _without_plurals(wanted.words):
            for words, weight in self._words:
                _add(said, words.tables(word), weight)
        for holders in wanted.valued:
            _add(said, dict.fromkeys(holders, 1.0), _NAME_WEIGHT)
        _add(said, {name: 1.0 for name, _ in wanted.columns}, _WORD_WEIGHT)
        return said

    def knows(self, wanted: Wanted) -> bool:
        """Whether anything in the schema has to do with the question: a word like one of its words, a value
        that it names, a column that was retrieved."""
        if wanted.valued or wanted.columns:
            return True
        return any(words.tables(word) for word in wanted.words for words, _ in self._words)

    def scores(self, said: Mapping[str, float]) -> dict[str, float]:
        """Return how much speaks for each table where the question ``said`` so much of each.

        Every table passes half of that on to its neighbours, in equal shares: they may be needed to join it.
        """
        scores = dict(said)
        for name, score in said.items():
            for other in self._graph.joined(name) if score else ():
                scores[other] += _PASSED_ON * score / self._graph.degree(name)
        return scores

    @cached_property
    def _words(self) -> tuple[tuple[_SaidWords, float], ...]:
        """The words of names, and those of columns and descriptions; with what each weighs."""
        names, others = {}, {}
        for table in self._schema.tables:
            names[table.name] = stems(table.name)
            texts = [table.description]
            texts += [text for column in table.columns for text in (column.name, column.description)]
            others[table.name] = frozenset[str]().union(*map(stems, texts))
        return (_SaidWords(names), _NAME_WEIGHT), (_SaidWords(others), _WORD_WEIGHT)


class _SaidWords:
    """Words of the tables of a schema."""

    def __init__(self, by_table: Mapping[str, frozenset[str]]) -> None:
        self._tables: dict[str, list[str]] = {}
        for table, words in by_table.items():
            for word in words:
                self._tables.setdefault(word, []).append(table)
        self._words = NameWords(self._tables)

    def tables(self, word: str) -> dict[str, float]:
        """Return the tables that have a word like ``word``, with the likeness of the most alike."""
        found: dict[str, float] = {}
        for other, likeness in self._words.like(word).items():
            for table in self._tables[other]:
                found[table] = max(likeness, found.get(table, 0.0))
        return found


def ranked(names: Iterable[str], scores: Mapping[str, float]) -> list[str]:
    """Return ``names``, those first that have the best of the ``scores``; equals stay in their order."""
    return sorted(names, key=lambda name: -scores[name])


def _add(scores: dict[str, float], reached: Mapping[str, float], weight: float) -> None:
    """Add to the ``scores`` of tables what speaks for those ``reached``, by their likeness."""
    tables = max(1.0, sum(reached.values()))
    for name, likeness in reached.items():
        scores[name] += likeness * weight * max(0.0, math.log(len(scores) / tables))


def _without_plurals(words: frozenset[str]) -> frozenset[str]:
    """Return ``words`` without those whose singular is there, so that none counts twice."""
    return frozenset(word for word in words if words.isdisjoint(singulars(word)))
