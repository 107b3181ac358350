"""The order in which the tables of a database are shown: most shared first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from plugins.text2sql.linking.join_paths import JoinGraph

_FIRST_RANKING = 8
"""Questions until the order follows from what they needed, and no longer from the foreign keys."""


class TableOrder:
    """Tables that most questions needed come first, so that what questions are shown begins alike.

    Every change of the order makes what is cached useless.  So the tables are ranked anew only when the
    questions have doubled since the last time: after 8, 16, 32 …, a dozen times in 20,000.  Before the first
    time, and where equally many questions needed two tables, the one with more foreign keys comes first, then
    the one whose name does.
    """

    def __init__(self, graph: JoinGraph) -> None:
        self._graph = graph
        self._needed = Counter[str]()
        self._ranked = Counter[str]()
        self._questions, self._next = 0, _FIRST_RANKING

    def renew(self, graph: JoinGraph) -> None:
        """Go on with the tables of a schema that has changed."""
        self._graph = graph

    def sorted(self, names: Collection[str]) -> list[str]:
        """Return ``names`` in their order, each once."""
        return sorted(set(names), key=lambda name: (-self._ranked[name], -self._graph.degree(name), name))

    def needed(self, names: Collection[str]) -> None:
        """Count the tables that one question needed."""
        self._needed.update(set(names))
        self._questions += 1
        if self._questions >= self._next:
            self._ranked = self._needed.copy()
            self._next *= 2
