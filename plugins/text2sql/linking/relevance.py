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
        do in search (inverse document frequency; Spärck Jones, 1972).  A word that is merely like one of a
        name counts in part.
        """
        said = dict.fromkeys((table.name for table in self._schema.tables), 0.0)
        for word in _without_plurals(wanted.words):
            _add(said, self._spoken_for(word))
        for holders in wanted.valued:
            _add(said, dict.fromkeys(holders, (1.0, _NAME_WEIGHT)))
        _add(said, {name: (1.0, _WORD_WEIGHT) for name, _ in wanted.columns})
        return said

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
    def _tables(self) -> dict[str, dict[str, float]]:
        """By word of a name or a description: the weight that it has for each table."""
        found: dict[str, dict[str, float]] = {}
        for table in self._schema.tables:
            texts = [table.description]
            texts += [text for column in table.columns for text in (column.name, column.description)]
            weights = dict.fromkeys(frozenset[str]().union(*map(stems, texts)), _WORD_WEIGHT)
            for word, weight in (weights | dict.fromkeys(stems(table.name), _NAME_WEIGHT)).items():
                found.setdefault(word, {})[table.name] = weight
        return found

    @cached_property
    def _words(self) -> NameWords:
        return NameWords(self._tables)

    def _spoken_for(self, word: str) -> dict[str, tuple[float, float]]:
        """Return the tables that have a word like ``word``, with the likeness and the weight of the best."""
        found: dict[str, tuple[float, float]] = {}
        for name_word, likeness in self._words.like(word).items():
            for table, weight in self._tables[name_word].items():
                best = found.get(table, (0.0, 0.0))
                if likeness * weight > best[0] * best[1]:
                    found[table] = likeness, weight
        return found


def ranked(names: Iterable[str], scores: Mapping[str, float]) -> list[str]:
    """Return ``names``, those first that have the best of the ``scores``; equals stay in their order."""
    return sorted(names, key=lambda name: -scores[name])


def _add(scores: dict[str, float], reached: Mapping[str, tuple[float, float]]) -> None:
    """Add to the ``scores`` of tables what speaks for those ``reached``, by likeness and weight."""
    tables = max(1.0, sum(likeness for likeness, _ in reached.values()))
    for name, (likeness, weight) in reached.items():
        scores[name] += likeness * weight * max(0.0, math.log(len(scores) / tables))


def _without_plurals(words: frozenset[str]) -> frozenset[str]:
    """Return ``words`` without those whose singular is there, so that none counts twice."""
    return frozenset(word for word in words if words.isdisjoint(singulars(word)))
