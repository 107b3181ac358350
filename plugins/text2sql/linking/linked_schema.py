"""What prompts show of one database: its linked tables, in an order that changes seldom, as they fit."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.linking.join_paths import JoinGraph
from plugins.text2sql.linking.relevance import Relevance, ranked
from plugins.text2sql.linking.rendered_tables import RenderedTables, ShownTable
from plugins.text2sql.linking.room import Room
from plugins.text2sql.linking.table_order import TableOrder
from plugins.text2sql.linking.wanted import Wanted, column_labels
from sched.cache.rent_or_buy import RentOrBuy
from sched.workflow import Segment

_PARTIAL_SHARE = 4
"""A table that takes more than one part in so many of the room may be shown without some of its columns."""
_LEAST_TOKENS = 128
"""But not in less than this, so that its head and keys fit."""


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
        self.labels = column_labels(schema)
        self.shapes = RentOrBuy()
        self.last_shown: dict[str, tuple[Segment, ...]] = {}
        """By template: the beginning of the last prompt."""
        self.graph = JoinGraph(schema)
        self.relevance = Relevance(schema, self.graph)
        self.rendered = RenderedTables(schema, room)
        self.order = order or TableOrder(self.graph)
        self.order.renew(self.graph)

    def needed(self, names: Sequence[str]) -> list[str]:
        """Return the tables with ``names`` (none: all) and those that join them, in their order."""
        if not names:
            return self.order.sorted([table.name for table in self.schema.tables])
        return self.order.sorted(self.graph.connected(self.order.sorted(names)))

    async def whole_fits(self, room: float) -> bool:
        """Return whether the whole schema fits into ``room`` tokens."""
        await self.rendered.in_full()
        return self.rendered.whole_tokens <= room

    async def fitted(self, names: Sequence[str], wanted: Wanted, room: float) -> FittedTables:
        """Return what fits into ``room`` tokens of the tables with ``names`` and those that join them.

        If not all do, those go first that the question speaks of (:class:`Relevance`), then by the order of
        ``names``.  A table takes along those that join it
        to the others, where these fit.  Of tables larger than a quarter of the room some columns are left
        out, so that others fit, too.
        """
        needed = self.needed(names)
        shown = await self.rendered.in_full()
        if sum(shown[name].tokens for name in needed) <= room:
            return FittedTables(tuple(shown[name] for name in needed))
        # The names of thousands of columns are taken apart for the first question.
        candidates = list(dict.fromkeys(names)) or [table.name for table in self.schema.tables]
        said = await asyncio.to_thread(self.relevance.spoken_of, wanted)
        order = ranked(candidates, self.relevance.scores(said))
        kept = self._kept(order, {name: table.tokens for name, table in shown.items()}, room)
        budgets = shares({name: shown[name].tokens for name in kept}, room)
        tables = [
            shown[name]
            if shown[name].tokens <= budgets[name]
            else await self.rendered.in_part(name, budgets[name], wanted)
            for name in self.order.sorted(kept)
        ]
        # Those on the ways to tables that were left out are not missed.
        left_out = tuple(name for name in order if name not in kept)
        return FittedTables(tuple(tables), left_out)

    def _kept(self, order: Sequence[str], tokens: dict[str, int], room: float) -> list[str]:
        """Return those of ``order`` that fit, with the tables that join them; the first in any case."""
        kept: list[str] = []
        most = max(room / _PARTIAL_SHARE, _LEAST_TOKENS)
        left = room
        for name in order:
            for new in ([*(self.graph.between(kept, name) or ()), name], [name]):
                needed = sum(min(float(tokens[table]), most) for table in new)
                if name not in kept and (needed <= left or not kept):
                    kept += new
                    left -= needed
        return kept


def shares(tokens: dict[str, int], room: float) -> dict[str, float]:
    """Return the room of each table: as much as it needs, the largest as much as is left for each of them."""
    budgets: dict[str, float] = {}
    left = room
    for place, (name, needed) in enumerate(sorted(tokens.items(), key=lambda item: item[1])):
        budgets[name] = min(float(needed), math.floor(left / (len(tokens) - place)))
        left -= budgets[name]
    return budgets
