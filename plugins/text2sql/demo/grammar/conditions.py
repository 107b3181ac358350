"""The WHERE of the statements of ``statements.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier, literal
from plugins.text2sql.demo.grammar.joins import holds
from plugins.text2sql.demo.grammar.texts import MOST_TEXTS, Name
from plugins.text2sql.demo.grammar.tree import Node, Repeat, Rule, alt, listed, optional, seq
from plugins.text2sql.demo.grammar.values import Values

_EQUALS = alt(" = ", " <> ")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What can be asked of a table's rows, columns unqualified.

    ``needed`` has the conditions on each name and date that must be used; ``None`` where the table holds none
    of it.
    """

    test: Node | None
    needed: tuple[Node | None, ...]


def conditions(prefix: str, table: Table, schema: DatabaseSchema, values: Values) -> Conditions:
    """Return the conditions on ``table``; the names of their rules begin with ``prefix``."""
    free = [_test(table, c, values) for c in table.columns if (table.name, c.name) not in values.texts.taken]
    others = list(_referring(table, schema))
    tests = [test for test in free if test is not None]
    tests += [test for other in others for test in other.tests(values)]
    needed = [
        *(_named(table, name) for name in values.texts.named),
        *(_dated(table, others, node) for node in values.dates.needed),
    ]
    return Conditions(Rule(f"{prefix}_test", alt(*tests)) if tests else None, tuple(needed))


def where(
    name: str, sides: Sequence[tuple[str, Conditions]], at_most: int, ways: Sequence[Sequence[int]]
) -> list[Node] | None:
    """Return what follows a source (its tables' ``sides``): ``at_most`` conditions and those needed.

    Needed are, by their places, those of one of the ``ways``.  The list is empty for none; ``None`` says that
    the source lacks what every way needs.
    """
    tests = [seq(side, of.test) for side, of in sides if of.test is not None]
    test = Rule(f"{name}_test", alt(*tests)) if tests and at_most else None
    needed = {}
    for place in range(len(sides[0][1].needed)):
        found = [seq(side, node) for side, of in sides if (node := of.needed[place]) is not None]
        if found:
            needed[place] = Rule(f"{name}_needed{place}", alt(*found))
    if not all(ways):
        return [optional(seq(" WHERE ", listed(test, at_most, " AND ")))] if test is not None else []
    orders = [
        _around([needed[place] for place in order], test, at_most - len(way))
        for way in ways
        if all(place in needed for place in way)
        for order in permutations(way)
    ]
    return [seq(" WHERE ", alt(*orders))] if orders else None


def _around(needed: Sequence[Node], test: Node | None, others: int) -> Node:
    """Return ``needed`` in this order, with at most so many ``others`` (or one) before, between and after."""
    most = max(1, others)
    parts: list[Node | str] = [needed[0]]
    for node in needed[1:]:
        parts += [*([] if test is None else [Repeat(seq(" AND ", test), 0, most)]), " AND ", node]
    if test is None:
        return seq(*parts)
    return seq(Repeat(seq(test, " AND "), 0, most), *parts, Repeat(seq(" AND ", test), 0, most))


def _named(table: Table, name: Name) -> Node | None:
    found = [
        seq(identifier(column.name), _is_of(name.places[table.name, column.name], name))
        for column in table.columns
        if (table.name, column.name) in name.places
    ]
    return alt(*found) if found else None


def _is_of(texts: Sequence[str], name: Name) -> Node:
    """Return what compares with one of the ``texts`` of ``name`` or all of them; joined ones only so."""
    one = seq(_EQUALS, alt(*texts))
    if len(texts) == 1:
        return one
    orders = alt(*(f" IN ({', '.join(order)})" for order in permutations(texts[:MOST_TEXTS])))
    all_ = seq(optional(" NOT"), orders)
    return all_ if name.joined else alt(one, all_)


def _test(table: Table, column: Column, values: Values) -> Node | None:
    """Return the conditions on one column; ``None`` if it is known that no value can be meant."""
    texts = values.texts
    options: list[Node | str] = []
    if column.kind == Kind.NUMBER:
        options += values.numbers.tests(table, column)
    elif column.kind == Kind.DATE:
        options += values.dates.tests(column)
    elif column.kind == Kind.TEXT:
        if (of := texts.of(table, column)) is not None:
            third = optional(seq(", ", alt(*map(literal, column.choices)))) if column.choices else ""
            options += [seq(_EQUALS, of), seq(optional(" NOT"), " IN (", of, ", ", of, third, ")")]
        options += [seq(" LIKE ", texts.pattern)] if texts.pattern is not None else []
    if column.kind == Kind.OTHER or (column.nullable and not column.primary_key):
        options.append(alt(" IS NULL", " IS NOT NULL"))
    return seq(identifier(column.name), alt(*options)) if options else None


def _dated(table: Table, others: Sequence[_Referring], node: Node) -> Node | None:
    """Return that one of the dates of ``table``, if it has any, or of what it is missing fits ``node``."""
    own = [seq(identifier(date.name), node) for date in _dates(table)]
    return alt(*own, *(test for other in others for test in other.none_at([node]))) if own else None


def _dates(table: Table) -> list[Column]:
    return [column for column in table.columns if column.kind == Kind.DATE]


@dataclass(frozen=True, slots=True)
class _Referring:
    """A ``table`` whose column ``key`` refers to the column ``target`` of the one that is asked about."""

    table: Table
    key: str
    target: str

    @property
    def _rows(self) -> str:
        return f"(SELECT {self.key} FROM {identifier(self.table.name)}"  # noqa: S608

    def none_at(self, times: Sequence[Node]) -> list[Node]:
        """Return the conditions that no row at one of the ``times`` refers to a row, if it has dates."""
        return [
            seq(f"{self.target} NOT IN {self._rows} WHERE {identifier(date.name)}", alt(*times), ")")
            for date in _dates(self.table)
            if times
        ]

    def tests(self, values: Values) -> list[Node]:
        """Return the conditions that no row refers to a row, none at some time, or so many."""
        dates = values.dates
        times = list(dict.fromkeys(test for date in _dates(self.table) for test in dates.tests(date)))
        counted = f"{self.target} IN {self._rows} GROUP BY {self.key} HAVING count(*)"
        return [
            seq(f"{self.target} NOT IN {self._rows})"),
            *self.none_at(times),
            seq(counted, values.numbers.comparison, ")"),
        ]


def _referring(table: Table, schema: DatabaseSchema) -> Iterator[_Referring]:
    for other in schema.tables:
        for key in other.foreign_keys:
            if key.target == table.name and len(key.columns) == 1 and holds(key, table):
                yield _Referring(other, identifier(key.columns[0]), identifier(key.target_columns[0]))
