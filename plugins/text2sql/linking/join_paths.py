"""How tables are joined: the graph of their foreign keys, and the shortest ways through it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from plugins.text2sql.databases.schema import DatabaseSchema

MOST_BETWEEN = 4
"""Tables that are further apart are joined by no question, unless it needs some between them, too."""


class JoinGraph:
    """The tables of a schema, joined wherever one refers to another, in either direction."""

    def __init__(self, schema: DatabaseSchema) -> None:
        joined: dict[str, set[str]] = {table.name: set() for table in schema.tables}
        in_any_case = {name.lower(): name for name in joined}
        for table in schema.tables:
            for key in table.foreign_keys:
                # SQLite takes a name in any case; for PostgreSQL "Orders" is another table than orders.
                target = key.target if key.target in joined else in_any_case.get(key.target.lower())
                if target is not None and target != table.name:
                    joined[table.name].add(target)
                    joined[target].add(table.name)
        self._joined = {name: sorted(others) for name, others in joined.items()}

    def joined(self, name: str) -> list[str]:
        """Return the tables to which ``name`` refers or that refer to it."""
        return self._joined[name]

    def degree(self, name: str) -> int:
        """Return how many other tables a join along one foreign key reaches from table ``name``."""
        return len(self._joined[name])

    def connected(self, names: Sequence[str]) -> list[str]:
        """Return ``names`` with the tables on the shortest ways between them, each behind those on its way.

        One after the other is joined to those before it, the shortest path heuristic for Steiner trees
        (Takahashi and Matsuyama, 1980).  What can't be joined stands alone.
        """
        found: dict[str, None] = {}
        groups: list[set[str]] = []
        for name in names:
            if name in found:
                continue
            joined, others = {name}, []
            for group in groups:
                way = self.between(group, name)
                if way is None:
                    others.append(group)
                else:
                    found |= dict.fromkeys(way)
                    joined |= group.union(way)
            found[name] = None
            groups = [*others, joined]
        return list(found)

    def between(self, known: Collection[str], name: str) -> list[str] | None:
        """Return the tables on the shortest way from one of ``known`` to ``name``, without its ends.

        ``None``: there is no way, or more than ``MOST_BETWEEN`` tables are on it.  Of two ways of one length
        the one whose tables come first by their names is taken.
        """
        ways: dict[str, tuple[str, ...]] = {name: ()}
        for table in (queue := [name]):
            way = ways[table]
            if table in known:
                return list(way)
            further = (table, *way) if table != name else way
            for other in self._joined[table] if len(further) <= MOST_BETWEEN else ():
                if other not in ways:
                    ways[other] = further
                    queue.append(other)
        return None
