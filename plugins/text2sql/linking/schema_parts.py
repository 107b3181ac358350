"""A schema that exceeds the model's context, in parts that fit."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.text2sql.linking.rendered_tables import RenderedTables, ShownTable
from plugins.text2sql.linking.wanted import Wanted

Part = tuple[ShownTable, ...]


async def parts(rendered: RenderedTables, names: Sequence[str], tokens: float, wanted: Wanted) -> list[Part]:
    """Return the tables with ``names``, in the schema's order, in parts of at most ``tokens`` each.

    The parts depend on the names and the room alone, so that each is a beginning that questions share.  A
    table that is larger than the room has a part to itself, with the columns that are ``wanted``.
    """
    made: list[list[ShownTable]] = []
    used = 0
    for name, shown in (await rendered.in_full(names)).items():
        table = shown if shown.tokens <= tokens else await rendered.in_part(name, tokens, wanted)
        if not made or used + table.tokens > tokens:
            made.append([])
            used = 0
        made[-1].append(table)
        used += table.tokens
    return [tuple(part) for part in made]
