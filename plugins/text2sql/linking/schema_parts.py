"""A schema that exceeds the model's context, in parts that fit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from plugins.text2sql.linking.relevance import ranked
from plugins.text2sql.linking.rendered_tables import RenderedTables, ShownTable
from plugins.text2sql.linking.wanted import Wanted

Part = tuple[ShownTable, ...]


async def parts(
    rendered: RenderedTables, names: Sequence[str], tokens: float, wanted: Wanted, each: float | None = None
) -> list[Part]:
    """Return the tables with ``names``, in the schema's order, in parts of at most ``tokens``.

    The parts depend on the names and the room alone, so that each is a beginning that questions share.  A
    table that is larger than ``each`` (the room for ``None``) has the columns that are ``wanted``.
    """
    made: list[list[ShownTable]] = []
    used = 0
    most = tokens if each is None else min(each, tokens)
    for name, shown in (await rendered.in_full(names)).items():
        table = shown if shown.tokens <= most else await rendered.in_part(name, most, wanted)
        if not made or used + table.tokens > tokens:
            made.append([])
            used = 0
        made[-1].append(table)
        used += table.tokens
    return [tuple(part) for part in made]


async def beginning(
    rendered: RenderedTables, scores: Mapping[str, float], tokens: float, most_parts: int
) -> tuple[list[str], float | None]:
    """Return the tables with the best ``scores`` that fit ``most_parts`` parts of ``tokens`` (0: any number).

    Where more tables than that have the best score, the question doesn't tell them apart.  All are returned
    then, and the tokens of each so that they fit.
    """
    shown = await rendered.in_full()
    order = ranked(shown, scores)

    def count(tables: int) -> int:
        return _count(shown, frozenset(order[:tables]), tokens)

    if not most_parts or count(len(order)) <= most_parts:
        return order, None
    # A table less never takes a part more (Murgolo, 1988: next-fit is monotone).
    fitting = bisect_right(range(1, len(order) + 1), most_parts, key=count)
    if scores[order[fitting]] < scores[order[0]]:
        return order[:fitting], None
    # So each part holds at least its share of the tables, whatever is left at its end.
    return order, most_parts * tokens / (len(order) + most_parts)


def _count(shown: Mapping[str, ShownTable], names: frozenset[str], tokens: float) -> int:
    """Return how many parts the tables with ``names`` make at most."""
    count, used = 0, tokens
    for name, table in shown.items():
        if name in names:
            needed = min(table.tokens, tokens)
            count, used = (count + 1, needed) if used + needed > tokens else (count, used + needed)
    return count
