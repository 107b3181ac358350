"""Grammars made from a schema, so that even an untrained model writes SQL that runs.

Every string of :func:`sql_tree` is one SELECT that SQLite runs on that database without error, and
every string ends within a known length (``max_length`` of ``grammar_tree.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.grammar_tree import (
    Letter,
    Literal,
    Node,
    Repeat,
    Rule,
    alt,
    is_plain,
    listed,
    max_length,
    optional,
    seq,
    to_ebnf,
)
from plugins.text2sql.joins import MOST_TABLES, holds, sources
from plugins.text2sql.schema import Column, DatabaseSchema, Kind, Table, identifier, literal

MAX_LENGTH = 1200
"""The longest statement in bytes; only if no table allows one so short, it is longer."""

_MAX_VALUE_CHARACTERS = 40
_MAX_SAFE_FACTOR = 2**31

_DIGIT = Rule("digit", alt(*"0123456789"))
_INTEGER = Rule("integer", alt("0", seq(alt(*"123456789"), Repeat(_DIGIT, 0, 5))))
_DECIMAL = Rule("decimal", seq(_INTEGER, optional(seq(".", Repeat(_DIGIT, 1, 2)))))
_YEAR = Rule("year", seq(alt("19", "20"), _DIGIT, _DIGIT))
_MONTH = Rule("month", alt(*(f"{month:02}" for month in range(1, 13))))
_DATE = Rule("date", seq("'", _YEAR, "-", _MONTH, "-", alt(*(f"{day:02}" for day in range(1, 32))), "'"))
_TEXT = Rule("text", seq("'", Repeat(Letter(), 1, _MAX_VALUE_CHARACTERS), "'"))
PATTERN = "pattern"
"""The name of the rule for the pattern of a LIKE."""
_PATTERN = Rule(PATTERN, seq("'%", Repeat(Letter(), 1, _MAX_VALUE_CHARACTERS), "%'"))
MAX_TEXT_BYTES = max_length(_TEXT)
"""Of a quoted text."""
_COMPARISON = Rule("comparison", alt(" = ", " < ", " <= ", " > ", " >= "))
_LIMIT = Rule("limit", seq(" LIMIT ", alt(*"123456789"), optional(_DIGIT)))


@dataclass(frozen=True, slots=True)
class _Size:
    """How many columns or aggregates, and how many conditions a statement may have."""

    items: int
    conditions: int


# Tried in this order until the longest statement over a table or join is short enough.
_SIZES = (_Size(3, 3), _Size(3, 2), _Size(2, 1), _Size(1, 1), _Size(1, 0))


@dataclass(frozen=True, slots=True)
class _Words:
    """What can be said about one table.  Columns are unqualified, ``None`` where there is none."""

    column: Node
    number: Node | None
    ordered: Node | None
    date: Node | None
    test: Node
    summable: bool


def sql_tree(schema: DatabaseSchema, tables: Sequence[str] | None = None) -> Node:
    """Return the SELECT statements over ``tables`` (all for ``None``) and joins along foreign keys.

    Covered are columns, DISTINCT, aggregates, joins (``joins.py``), conditions on numbers, dates, texts,
    means and missing rows, GROUP BY, HAVING, ORDER BY and LIMIT.  ``max_length`` is at most ``MAX_LENGTH``.

    Raises:
        NotFoundError: one of ``tables`` is unknown.
        ValueError: there is no table to ask.
    """
    chosen = schema.select(tables)
    if not chosen:
        raise ValueError("a grammar needs at least one table")
    words = {table.name: _words(f"t{i}", table, schema) for i, table in enumerate(chosen)}
    found = [
        (
            source.text,
            [(f"{identifier(t)}." if len(source.tables) > 1 else "", words[t]) for t in source.tables],
        )
        for source in sources(chosen)
    ]
    selects = [
        select
        for index, (text, sides) in enumerate(found)
        if (select := _fitting(f"s{index}", text, sides)) is not None
    ]
    shortest = seq("count(*) FROM ", min((identifier(table.name) for table in chosen), key=len))
    return seq("SELECT ", alt(*(selects or [shortest])))


def text_rules(schema: DatabaseSchema) -> list[tuple[str, Table, Column]]:
    """Return the rules of ``sql_tree(schema)`` for a column's texts: name, table and column of each."""
    return [
        (f"t{i}_text{place}", table, column)
        for i, table in enumerate(schema.tables)
        for place, column in enumerate(table.columns)
        if column.kind == Kind.TEXT
    ]


def sql_grammar(schema: DatabaseSchema, tables: Sequence[str] | None = None) -> str:
    """Return :func:`sql_tree` as EBNF with the root rule ``root``; raises as it does."""
    return to_ebnf(sql_tree(schema, tables))


def table_list_tree(schema: DatabaseSchema) -> Node:
    """Return JSON arrays of one to ``MOST_TABLES`` table names, without spaces; a name may come twice.

    Raises:
        ValueError: the database has no table.
    """
    names = [json.dumps(table.name, ensure_ascii=False) for table in schema.tables]
    return seq("[", listed(Rule("name", alt(*names)), MOST_TABLES, ","), "]")


def table_list_grammar(schema: DatabaseSchema) -> str:
    """Return :func:`table_list_tree` as EBNF with the root rule ``root``; raises as it does."""
    return to_ebnf(table_list_tree(schema))


def _words(prefix: str, table: Table, schema: DatabaseSchema) -> _Words:
    measures = [column for column in table.columns if column.name not in table.key_columns]
    numbers = [column for column in measures if column.kind == Kind.NUMBER]
    ordered = [column for column in measures if column.kind in (Kind.NUMBER, Kind.DATE)]
    dates = [column for column in measures if column.kind == Kind.DATE]
    largest = max((abs(value) for column in numbers for value in _numbers(column)), default=0)
    most_rows = max(known.row_count for known in schema.tables)
    tests = [_test(f"{prefix}_text{place}", table, column) for place, column in enumerate(table.columns)]
    return _Words(
        column=Rule(f"{prefix}_column", _names(table.columns)),
        number=Rule(f"{prefix}_number", _names(numbers)) if numbers else None,
        ordered=Rule(f"{prefix}_ordered", _names(ordered)) if ordered else None,
        date=Rule(f"{prefix}_date", _names(dates)) if len(dates) > 1 else None,
        test=Rule(f"{prefix}_test", alt(*tests, *_missing(table, schema))),
        # sum() over integers fails on overflow; a join has no more rows than its first table, and what is
        # summed is at most the product of two numbers.
        summable=max(largest, 2) * most_rows < _MAX_SAFE_FACTOR,
    )


def _names(columns: Sequence[Column]) -> Node:
    return alt(*(identifier(column.name) for column in columns))


def _numbers(column: Column) -> list[int | float]:
    return [value for value in column.samples if not isinstance(value, str)]


def _test(name: str, table: Table, column: Column) -> Node:
    """Return the conditions on one column; ``name`` is that of the rule for its texts."""
    values = [literal(value) for value in column.samples if len(str(value)) <= _MAX_VALUE_CHARACTERS]
    options: list[Node | str] = []
    if column.kind == Kind.NUMBER:
        mean = seq(f"(SELECT avg({identifier(column.name)})", f" FROM {identifier(table.name)})")
        options += [
            seq(_COMPARISON, alt(*values, _DECIMAL, mean)),
            seq(" BETWEEN ", _INTEGER, " AND ", _INTEGER),
        ]
    elif column.kind == Kind.DATE:
        options += [seq(_COMPARISON, alt(*values, _DATE)), seq(" BETWEEN ", _DATE, " AND ", _DATE)]
        options.append(seq(" LIKE '", _YEAR, optional(seq("-", _MONTH)), "%'"))
    elif column.kind == Kind.TEXT:
        odd = [value for value in values if not is_plain(value[1:-1])]
        options.append(seq(alt(" = ", " <> "), Rule(name, alt(_TEXT, *odd))))
        options.append(seq(" LIKE ", _PATTERN))
    if not options or (column.nullable and not column.primary_key):
        options.append(alt(" IS NULL", " IS NOT NULL"))
    return seq(identifier(column.name), alt(*options))


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


def _fitting(name: str, text: str, sides: Sequence[tuple[str, _Words]]) -> Node | None:
    """Return the statements over one source (after SELECT), as rich as fits, or None if none does."""
    for size in _SIZES:
        node = _select(name, text, sides, size)
        if max_length(node) + len("SELECT ") <= MAX_LENGTH:
            return node
    return None


def _select(name: str, text: str, sides: Sequence[tuple[str, _Words]], size: _Size) -> Node:
    column = Rule(f"{name}_column", alt(*(seq(side, words.column) for side, words in sides)))
    source: Node = Literal(f" FROM {text}")
    if size.conditions:
        test = Rule(f"{name}_test", alt(*(seq(side, words.test) for side, words in sides)))
        source = seq(source, optional(seq(" WHERE ", listed(test, size.conditions, " AND "))))
    aggregate = Rule(f"{name}_aggregate", _aggregates(column, sides))
    having = seq(" HAVING ", aggregate, _COMPARISON, _DECIMAL)
    either = alt(column, aggregate)
    # Rows that aren't grouped can't be ordered by an aggregate.
    grouped = seq(" GROUP BY ", column, optional(having), optional(_order(either)))
    end = alt(grouped, optional(_order(column)))
    return seq(optional("DISTINCT "), listed(either, size.items), source, end, optional(_LIMIT))


def _order(by: Node) -> Node:
    return seq(" ORDER BY ", by, optional(" DESC"))


def _aggregates(column: Node, sides: Sequence[tuple[str, _Words]]) -> Node:
    options: list[Node | str] = ["count(*)", seq("count(DISTINCT ", column, ")")]
    for side, words in sides:
        if words.number is not None:
            second = optional(seq(alt(" * ", " - "), side, words.number))
            functions = alt("avg(", "sum(") if words.summable else Literal("avg(")
            options.append(seq(functions, side, words.number, second, ")"))
        if words.ordered is not None:
            options.append(seq(alt("min(", "max("), side, words.ordered, ")"))
        if words.date is not None:
            day = seq("julianday(", side, words.date, ")")
            options.append(seq("avg(", day, " - ", day, ")"))
    return alt(*options)
