"""How tables are joined: the graph of their foreign keys, and the shortest ways through it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from plugins.text2sql.databases.schema import DatabaseSchema


class JoinGraph:
    """The tables of a schema, joined wherever one refers to another, in either direction."""

    def __init__(self, schema: DatabaseSchema) -> None:
        # SQLite takes names in any case.
        names = {table.name.lower(): table.name for table in schema.tables}
        joined: dict[str, set[str]] = {table.name: set() for table in schema.tables}
        for table in schema.tables:
            for key in table.foreign_keys:
                target = names.get(key.target.lower())
                if target is not None and target != table.name:
                    joined[table.name].add(target)
                    joined[target].add(table.name)
        self._joined = {name: sorted(others) for name, others in joined.items()}

    def degree(self, name: str) -> int:
        """Return how many other tables a join along one foreign key reaches from table ``name``."""
        return len(self._joined[name])

    def connected(self, names: Sequence[str]) -> list[str]:
        """Return ``names`` with the tables on the shortest ways between them, each behind those on its way.

        One after the other is joined to those before it.  (The shortest path heuristic for Steiner trees;
        Takahashi and Matsuyama 1980: at most twice as many joins as needed.)  What can't be joined stands
        alone.
        """
        found: dict[str, None] = {}
        for name in names:
            if name not in found:
                found |= dict.fromkeys((*self.between(found, name), name))
        return list(found)

    def between(self, known: Collection[str], name: str) -> list[str]:
        """Return the tables on the shortest way from one of ``known`` to ``name``, without its ends.

        Of two ways of one length the one whose tables come first by their names is taken.
        """
        nearer: dict[str, str] = {name: ""}
        for table in (queue := [name]):
            if table in known:
                way = []
                while (table := nearer[table]) != name:
                    way.append(table)
                return way
            for other in self._joined[table]:
                if other not in nearer:
                    nearer[other] = table
                    queue.append(other)
        return []
