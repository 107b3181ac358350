"""The WHERE of the statements of ``statements.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier, literal
from plugins.text2sql.demo.grammar.dates import date_tests
from plugins.text2sql.demo.grammar.joins import holds
from plugins.text2sql.demo.grammar.texts import MOST_TEXTS, Name
from plugins.text2sql.demo.grammar.tree import Node, Repeat, Rule, alt, listed, optional, seq
from plugins.text2sql.demo.grammar.values import Values

_EQUALS = alt(" = ", " <> ")
# How one and several names are compared with, by whether they are excluded.
_ONE_OF: Mapping[bool | None, Node | str] = {None: _EQUALS, False: " = ", True: " <> "}
_ALL_OF: Mapping[bool | None, Node | str] = {None: optional(" NOT"), False: "", True: " NOT"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What can be asked of a table's rows, columns unqualified.

    ``needed`` has the conditions on each name that must be used; ``None`` where the table doesn't hold it.
    ``others`` are those of ``test`` that ask nothing of the columns that hold such a name.
    """

    test: Node | None
    others: Node | None
    needed: tuple[Node | None, ...]


def conditions(prefix: str, table: Table, schema: DatabaseSchema, values: Values) -> Conditions:
    """Return the conditions on ``table``; the names of their rules begin with ``prefix``."""
    held = {place for name in values.texts.named for place in name.places}
    free = [column for column in table.columns if (table.name, column.name) not in values.texts.taken]
    unheld = [column for column in free if (table.name, column.name) not in held]
    test = _any_of(f"{prefix}_test", table, free, schema, values)
    others = test if free == unheld else _any_of(f"{prefix}_others", table, unheld, schema, values)
    return Conditions(test, others, tuple(_named(table, name) for name in values.texts.named))


def _any_of(
    name: str, table: Table, columns: Sequence[Column], schema: DatabaseSchema, values: Values
) -> Node | None:
    found = (_test(table, column, values) for column in columns)
    tests = [*(test for test in found if test is not None), *_referring(table, schema, values)]
    return Rule(name, alt(*tests)) if tests else None


def where(name: str, sides: Sequence[tuple[str, Conditions]], at_most: int) -> list[Node] | None:
    """Return what follows a source (its tables' ``sides``): ``at_most`` conditions, those needed among them.

    The list is empty for none; ``None`` says that the source lacks something that is needed.  Where one table
    alone holds a name, nothing else is asked of the column.
    """
    holders = [[of for _, of in sides if of.needed[place]] for place in range(len(sides[0][1].needed))]
    free = [(side, of.others if [of] in holders else of.test) for side, of in sides]
    tests = [seq(side, test) for side, test in free if test is not None]
    test = Rule(f"{name}_test", alt(*tests)) if tests and at_most else None
    needed = []
    for place in range(len(sides[0][1].needed)):
        found = [seq(side, node) for side, of in sides if (node := of.needed[place]) is not None]
        if not found:
            return None
        needed.append(Rule(f"{name}_needed{place}", alt(*found)))
    if not needed:
        return [optional(seq(" WHERE ", listed(test, at_most, " AND ")))] if test is not None else []
    orders = (_around(order, test, at_most - len(needed)) for order in permutations(needed))
    return [seq(" WHERE ", alt(*orders))]


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
    one = seq(_ONE_OF[name.excluded], alt(*texts))
    if len(texts) == 1:
        return one
    orders = alt(*(f" IN ({', '.join(order)})" for order in permutations(texts[:MOST_TEXTS])))
    all_ = seq(_ALL_OF[name.excluded], orders)
    return all_ if name.joined else alt(one, all_)


def _test(table: Table, column: Column, values: Values) -> Node | None:
    """Return the conditions on one column; ``None`` if it is known that no value can be meant."""
    texts = values.texts
    options: list[Node | str] = []
    if column.kind == Kind.NUMBER:
        options += values.numbers.tests(table, column)
    elif column.kind == Kind.DATE:
        options += date_tests(column, values.months)
    elif column.kind == Kind.TEXT:
        if (of := texts.of(table, column)) is not None:
            third = optional(seq(", ", alt(*map(literal, column.choices)))) if column.choices else ""
            options += [seq(_EQUALS, of), seq(optional(" NOT"), " IN (", of, ", ", of, third, ")")]
        options += [seq(" LIKE ", texts.pattern)] if texts.pattern is not None else []
    if column.kind == Kind.OTHER or (column.nullable and not column.primary_key):
        options.append(alt(" IS NULL", " IS NOT NULL"))
    return seq(identifier(column.name), alt(*options)) if options else None


def _referring(table: Table, schema: DatabaseSchema, values: Values) -> Iterator[Node]:
    """Yield the conditions that no row of another table refers to a row, none at some time, or so many."""
    for other in schema.tables:
        dates = [column for column in other.columns if column.kind == Kind.DATE]
        for key in other.foreign_keys:
            if key.target != table.name or len(key.columns) != 1 or not holds(key, table):
                continue
            column, target = identifier(key.columns[0]), identifier(key.target_columns[0])
            rows = f"(SELECT {column} FROM {identifier(other.name)}"  # noqa: S608
            yield seq(f"{target} NOT IN {rows})")
            for date in dates:
                start = f"{target} NOT IN {rows} WHERE {identifier(date.name)}"
                yield seq(start, alt(*date_tests(date, values.months)), ")")
            counted = f"{target} IN {rows} GROUP BY {column} HAVING count(*)"
            yield seq(counted, values.numbers.comparison, ")")
