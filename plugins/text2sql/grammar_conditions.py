"""The WHERE of the statements of ``grammar.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from plugins.text2sql.grammar_texts import MAX_VALUE_CHARACTERS, Place, Texts
from plugins.text2sql.grammar_tree import Node, Repeat, Rule, alt, listed, optional, seq
from plugins.text2sql.joins import holds
from plugins.text2sql.schema import Column, DatabaseSchema, Kind, Table, identifier, literal

DIGIT = Rule("digit", alt(*"0123456789"))
_INTEGER = Rule("integer", alt("0", seq(alt(*"123456789"), Repeat(DIGIT, 0, 5))))
DECIMAL = Rule("decimal", seq(_INTEGER, optional(seq(".", Repeat(DIGIT, 1, 2)))))
_YEAR = Rule("year", seq(alt("19", "20"), DIGIT, DIGIT))
_MONTH = Rule("month", alt(*(f"{month:02}" for month in range(1, 13))))
_DATE = Rule("date", seq("'", _YEAR, "-", _MONTH, "-", alt(*(f"{day:02}" for day in range(1, 32))), "'"))
COMPARISON = Rule("comparison", alt(" = ", " < ", " <= ", " > ", " >= "))
_EQUALS = alt(" = ", " <> ")
_MOST_TEXTS = 3


@dataclass(frozen=True, slots=True)
class Conditions:
    """What can be asked of a table's rows, columns unqualified.

    ``named`` has the conditions on each name that must be used; ``None`` where the table holds none of it.
    """

    test: Node | None
    named: tuple[Node | None, ...]


def conditions(prefix: str, table: Table, schema: DatabaseSchema, texts: Texts) -> Conditions:
    """Return the conditions on ``table``; the names of their rules begin with ``prefix``."""
    free = [_test(table, c, texts) for c in table.columns if (table.name, c.name) not in texts.taken]
    tests = [*(test for test in free if test is not None), *_missing(table, schema)]
    named = tuple(_named(table, places) for places in texts.named)
    return Conditions(Rule(f"{prefix}_test", alt(*tests)) if tests else None, named)


def where(name: str, sides: Sequence[tuple[str, Conditions]], at_most: int) -> list[Node] | None:
    """Return what follows a source (its tables' ``sides``): ``at_most`` conditions and those on each name.

    The list is empty for none; ``None`` says that the source lacks a name that must be used.
    """
    tests = [seq(side, of.test) for side, of in sides if of.test is not None]
    test = Rule(f"{name}_test", alt(*tests)) if tests and at_most else None
    needed: list[Node] = []
    for number in range(len(sides[0][1].named)):
        found = [seq(side, node) for side, of in sides if (node := of.named[number]) is not None]
        if not found:
            return None
        needed.append(Rule(f"{name}_named{number}", alt(*found)))
    if needed:
        orders = [_around(order, test, at_most - len(needed)) for order in permutations(needed)]
        return [seq(" WHERE ", alt(*orders))]
    return [optional(seq(" WHERE ", listed(test, at_most, " AND ")))] if test is not None else []


def _around(needed: Sequence[Node], test: Node | None, others: int) -> Node:
    """Return ``needed`` in this order, with at most so many ``others`` (or one) before and after."""
    parts: list[Node | str] = [needed[0]]
    for node in needed[1:]:
        parts += [" AND ", node]
    if test is None:
        return seq(*parts)
    most = max(1, others)
    return seq(Repeat(seq(test, " AND "), 0, most), *parts, Repeat(seq(" AND ", test), 0, most))


def _named(table: Table, places: Mapping[Place, Sequence[str]]) -> Node | None:
    found = [
        seq(identifier(column.name), _is_of(places[table.name, column.name]))
        for column in table.columns
        if (table.name, column.name) in places
    ]
    return alt(*found) if found else None


def _is_of(texts: Sequence[str]) -> Node:
    """Return what compares with one of ``texts`` or, if there are several, all of them."""
    one = seq(_EQUALS, alt(*texts))
    if len(texts) == 1:
        return one
    return alt(one, *(f" IN ({', '.join(order)})" for order in permutations(texts[:_MOST_TEXTS])))


def _test(table: Table, column: Column, texts: Texts) -> Node | None:
    """Return the conditions on one column; ``None`` if it is known that no text can be meant."""
    values = [literal(value) for value in column.samples if len(str(value)) <= MAX_VALUE_CHARACTERS]
    options: list[Node | str] = []
    if column.kind == Kind.NUMBER:
        mean = seq(f"(SELECT avg({identifier(column.name)})", f" FROM {identifier(table.name)})")
        options += [
            seq(COMPARISON, alt(*values, DECIMAL, mean)),
            seq(" BETWEEN ", _INTEGER, " AND ", _INTEGER),
        ]
    elif column.kind == Kind.DATE:
        options += [seq(COMPARISON, alt(*values, _DATE)), seq(" BETWEEN ", _DATE, " AND ", _DATE)]
        options.append(seq(" LIKE '", _YEAR, optional(seq("-", _MONTH)), "%'"))
    elif column.kind == Kind.TEXT:
        if (of := texts.of(table, column)) is not None:
            options += [seq(_EQUALS, of), seq(" IN (", of, ", ", of, ")")]
        options += [seq(" LIKE ", texts.pattern)] if texts.pattern is not None else []
    if column.kind == Kind.OTHER or (column.nullable and not column.primary_key):
        options.append(alt(" IS NULL", " IS NOT NULL"))
    return seq(identifier(column.name), alt(*options)) if options else None


def _missing(table: Table, schema: DatabaseSchema) -> list[Node]:
    """Return the conditions that no row of another table refers to a row of this one."""
    return [
        seq(
            f"{identifier(key.target_columns[0])} NOT IN ",
            f"(SELECT {identifier(key.columns[0])} FROM {identifier(other.name)})",  # noqa: S608
        )
        for other in schema.tables
        for key in other.foreign_keys
        if key.target == table.name and len(key.columns) == 1 and holds(key, table)
    ]
