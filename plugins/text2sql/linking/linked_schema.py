"""What prompts show of one database: its linked tables, in an order that changes seldom, as they fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.linking.join_paths import JoinGraph
from plugins.text2sql.linking.rendered_tables import RenderedTables, ShownTable
from plugins.text2sql.linking.room import Room
from plugins.text2sql.linking.table_order import TableOrder
from plugins.text2sql.linking.wanted import Wanted
from sched.cache.rent_or_buy import RentOrBuy
from sched.workflow import Segment

_PARTIAL_SHARE = 4
"""A table that takes more than one part in so many of the room may be shown without some of its columns."""


@dataclass(frozen=True, slots=True)
class FittedTables:
    """The ``tables`` that a prompt shows, in its order; for those ``left_out`` there was no room."""

    tables: tuple[ShownTable, ...]
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the tables shown."""
        return [table.name for table in self.tables]


class LinkedSchema:
    """The tables of a database and what is known of them: joins, texts, order."""

    def __init__(self, schema: DatabaseSchema, room: Room, order: TableOrder | None = None) -> None:
        """``order`` is that of the schema before it changed."""
        self.schema = schema
        self.room = room
        self.shapes = RentOrBuy()
        self.last_shown: dict[str, tuple[Segment, ...]] = {}
        """By template: the beginning of the last prompt."""
        self.graph = JoinGraph(schema)
        self.rendered = RenderedTables(schema, room)
        self.order = order or TableOrder(self.graph)
        self.order.renew(self.graph)

    def needed(self, linked: Sequence[str], wanted: Wanted) -> list[str]:
        """Return the tables that a question needs, in their order.

        They are those that the model has ``linked`` (all if it named none), those that hold a value which the
        question names, and those that join them.
        """
        if not linked:
            return self.order.sorted([table.name for table in self.schema.tables])
        return self.order.sorted(self.graph.connected(self.order.sorted([*linked, *wanted.named(linked)])))

    async def whole_fits(self, room: float) -> bool:
        """Return whether the whole schema fits into ``room`` tokens."""
        await self.rendered.in_full()
        return self.rendered.whole_tokens <= room

    async def fitted(self, linked: Sequence[str], wanted: Wanted, room: float) -> FittedTables:
        """Return what fits into ``room`` tokens of the tables that a question needs.

        If not all do, those go first that the question speaks of: by a value that it names and they hold, by
        their name and their columns; of equals, those that the model named first.  A table takes along those
        that join it to the others.  Of tables larger than a quarter of the room some columns are left out, so
        that others fit, too.
        """
        needed = self.needed(linked, wanted)
        shown = await self.rendered.in_full()
        if sum(shown[name].tokens for name in needed) <= room:
            return FittedTables(tuple(shown[name] for name in needed))
        ranked = self.ranked(linked, wanted)
        kept = self._kept(ranked, {name: table.tokens for name, table in shown.items()}, room)
        budgets = shares({name: shown[name].tokens for name in kept}, room)
        tables = [
            shown[name]
            if shown[name].tokens <= budgets[name]
            else await self.rendered.in_part(name, budgets[name], wanted)
            for name in self.order.sorted(kept)
        ]
        # Those on the ways to tables that were left out are not missed.
        left_out = tuple(name for name in ranked if name not in kept)
        return FittedTables(tuple(tables), left_out)

    def ranked(self, linked: Sequence[str], wanted: Wanted) -> list[str]:
        """Return the linked tables and those with a named value; what the question speaks of goes first."""
        names = linked or [table.name for table in self.schema.tables]
        names = list(dict.fromkeys([*names, *wanted.named(names)]))
        scores = {name: wanted.of_table(self.rendered.table(name)) for name in names}
        return sorted(names, key=lambda name: -scores[name])  # sorting is stable

    def _kept(self, ranked: Sequence[str], tokens: dict[str, int], room: float) -> list[str]:
        """Return those of ``ranked`` that fit, each with the tables that join it; the first in any case."""
        most = room / _PARTIAL_SHARE
        kept: list[str] = []
        used = 0.0
        for name in ranked:
            if name in kept:
                continue
            new = [*self.graph.between(kept, name), name] if kept else [name]
            needed = sum(min(float(tokens[table]), most) for table in new if table not in kept)
            if kept and used + needed > room:
                continue
            kept += new
            used += needed
        return kept


def shares(tokens: dict[str, int], room: float) -> dict[str, float]:
    """Return the room of each table: as much as it needs, the largest as much as is left for each of them."""
    budgets: dict[str, float] = {}
    left = room
    for place, (name, needed) in enumerate(sorted(tokens.items(), key=lambda item: item[1])):
        budgets[name] = min(float(needed), math.floor(left / (len(tokens) - place)))
        left -= budgets[name]
    return budgets
