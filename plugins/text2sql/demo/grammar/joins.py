"""What may stand after FROM: a table, or tables joined along their foreign keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.schema import ForeignKey, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier

MOST_TABLES = 5
"""Of one statement."""
_MOST_SOURCES = 96


@dataclass(frozen=True, slots=True)
class Source:
    """The ``text`` after FROM and the names of its ``tables``, in its order."""

    text: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Join:
    """A foreign key: its ``place`` among those of its table, the table it refers to, the text after JOIN."""

    place: int
    target: str
    text: str


def sources(tables: Sequence[Table]) -> list[Source]:
    """Return each of ``tables`` and their joins, the ones with few tables first.

    A join begins at a table and adds tables that those before it refer to, so that no row of the first is
    repeated.  At most ``MOST_TABLES`` are joined; self-joins, which would need aliases, are left out.
    """
    joins = _joins(tables)
    found: list[tuple[Source, tuple[int, int]]] = [
        (Source(identifier(table.name), (table.name,)), (0, -1)) for table in tables
    ]
    wave = found
    while wave and len(found) < _MOST_SOURCES and len(wave[0][0].tables) < MOST_TABLES:
        wave = [longer for source, last in wave for longer in _longer(source, last, joins)]
        found = found + wave
    return [source for source, _ in found[:_MOST_SOURCES]]


def _longer(
    source: Source, last: tuple[int, int], joins: Mapping[str, Sequence[_Join]]
) -> Iterator[tuple[Source, tuple[int, int]]]:
    """Yield ``source`` with one more table; joins come in one order, so that no set of them comes twice."""
    for position, name in enumerate(source.tables):
        for join in joins[name]:
            if (position, join.place) > last and join.target not in source.tables:
                text = f"{source.text} JOIN {join.text}"
                yield Source(text, (*source.tables, join.target)), (position, join.place)


def _joins(tables: Sequence[Table]) -> dict[str, list[_Join]]:
    by_name = {table.name.lower(): table for table in tables}
    found: dict[str, list[_Join]] = {}
    for table in tables:
        found[table.name] = joins = []
        for place, key in enumerate(table.foreign_keys):
            target = by_name.get(key.target.lower())
            if target is not None and target is not table and holds(key, target):
                here, there = identifier(table.name), identifier(target.name)
                pairs = [
                    f"{here}.{identifier(ours)} = {there}.{identifier(theirs)}"
                    for ours, theirs in zip(key.columns, key.target_columns, strict=True)
                ]
                joins.append(_Join(place, target.name, f"{there} ON {' AND '.join(pairs)}"))
    return found


def holds(key: ForeignKey, target: Table) -> bool:
    """Return whether ``key`` refers to columns that exist; SQLite accepts a declaration that doesn't."""
    known = {column.name.lower() for column in target.columns}
    referred = [name.lower() for name in key.target_columns]
    return len(referred) == len(key.columns) and known.issuperset(referred)
