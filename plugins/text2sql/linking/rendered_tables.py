"""The text of each table of a schema, and its tokens; a table that is too large is shown in part."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from plugins.text2sql.databases.schema import DatabaseSchema, Table, column_lines, render_table
from plugins.text2sql.linking.room import Room
from plugins.text2sql.linking.wanted import Wanted
from sched.workflow import SegmentKind


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table as a prompt shows it, without ``left_out`` of its columns."""

    name: str
    text: str
    tokens: int
    left_out: int = 0


class RenderedTables:
    """The tables of ``schema``.  Tokens are counted once, at the first use after the context is known."""

    def __init__(self, schema: DatabaseSchema, room: Room) -> None:
        self.schema = schema
        self.whole_tokens = 0
        self._room = room
        self._tables = {table.name: table for table in schema.tables}
        self._shown = {
            table.name: ShownTable(table.name, render_table(table, schema.dialect), 0)
            for table in schema.tables
        }
        self._line_tokens: dict[str, list[int]] = {}
        self._lock = asyncio.Lock()

    @property
    def whole(self) -> str:
        """The text of all tables."""
        return "\n".join(table.text for table in self._shown.values())

    def table(self, name: str) -> Table:
        """Return the table ``name``."""
        return self._tables[name]

    async def in_full(self, names: Collection[str] | None = None) -> dict[str, ShownTable]:
        """Return the tables with ``names`` (all for ``None``) in the schema's order, nothing left out."""
        async with self._lock:
            if self._room.is_limited and not self.whole_tokens:
                await self._count()
        wanted = self._shown.keys() if names is None else set(names)
        return {name: shown for name, shown in self._shown.items() if name in wanted}

    async def in_part(self, name: str, tokens: float, wanted: Wanted) -> ShownTable:
        """Return table ``name`` in at most ``tokens``: its keys, the columns that are wanted, then others.

        They stand in the table's order.  There is at least one.
        """
        table = self._tables[name]
        costs = await self._costs(table)
        keys = table.key_columns
        order = sorted(
            range(len(table.columns)),
            key=lambda place: (
                table.columns[place].name not in keys,
                -wanted.of_column(name, table.columns[place]),
                place,
            ),
        )
        head = render_table(_with(table, ()), self.schema.dialect, left_out=len(table.columns))
        used = await self._room.tokens(f"{head}\n")
        chosen: list[int] = []
        for place in order:
            if chosen and used + costs[place] > tokens:
                break
            chosen.append(place)
            used += costs[place]
        left_out = len(table.columns) - len(chosen)
        text = render_table(_with(table, sorted(chosen)), self.schema.dialect, left_out)
        return ShownTable(name, text, used, left_out)

    async def _count(self) -> None:
        for name, shown in self._shown.items():
            self._shown[name] = replace(shown, tokens=await self._room.tokens(f"{shown.text}\n"))
        self.whole_tokens = await self._room.tokens(f"Schema:\n{self.whole}\n")

    async def _costs(self, table: Table) -> list[int]:
        """Return the tokens of each column's line."""
        if table.name not in self._line_tokens:
            lines = column_lines(table, self.schema.dialect)
            # As context, so that the single lines don't crowd the cache of encoded segments.
            self._line_tokens[table.name] = [
                await self._room.tokens(f"{line}\n", SegmentKind.CONTEXT) for line in lines
            ]
        return self._line_tokens[table.name]


def _with(table: Table, places: Sequence[int]) -> Table:
    """Return ``table`` with the columns at ``places`` alone."""
    return replace(table, columns=tuple(table.columns[place] for place in places))
