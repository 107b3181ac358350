"""Grammars made from a schema, so that even an untrained model writes SQL that runs.

Every string of :func:`sql_tree` is one SELECT that SQLite runs on that database without error, and
every string ends within a known length (``max_length`` of ``grammar_tree.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.text2sql.grammar_tree import (
    Literal,
    Node,
    Repeat,
    Rule,
    alt,
    listed,
    max_length,
    optional,
    seq,
    to_ebnf,
)
from plugins.text2sql.schema import Column, DatabaseSchema, ForeignKey, Kind, Table, identifier, literal

MAX_LENGTH = 400
"""The longest statement in bytes; only if no table allows one so short, it is longer."""

_MAX_VALUE_CHARACTERS = 24
_MAX_YEARS = 6
_MAX_SAFE_SUM = 2**62

_DIGIT = Rule("digit", alt(*"0123456789"))
_INTEGER = Rule("integer", seq(alt(*"123456789"), Repeat(_DIGIT, 0, 3)))
_MONTH = Rule("month", alt(*(f"{month:02}" for month in range(1, 13))))
_COMPARISON = Rule("comparison", alt(" = ", " < ", " <= ", " > ", " >= "))
_LIMIT = Rule("limit", seq(" LIMIT ", alt("1", "3", "5", "10", "20")))


@dataclass(frozen=True, slots=True)
class _Size:
    """How many columns, aggregates and conditions a statement may have."""

    columns: int
    aggregates: int
    conditions: int


# Tried in this order until the longest statement over a table or join is short enough.
_SIZES = (_Size(3, 2, 2), _Size(2, 1, 1), _Size(1, 1, 1), _Size(1, 1, 0))


@dataclass(frozen=True, slots=True)
class _Words:
    """What can be said about one table.  Columns are unqualified, ``None`` where there is none."""

    column: Node
    number: Node | None
    ordered: Node | None
    test: Node
    summable: bool


def sql_tree(schema: DatabaseSchema, tables: Sequence[str] | None = None) -> Node:
    """Return the SELECT statements over ``tables`` (all for ``None``) and joins along foreign keys.

    Covered are columns, DISTINCT, aggregates, one join, conditions on sampled values, bounded
    numbers and months, GROUP BY, ORDER BY and LIMIT.  ``max_length`` of it is at most ``MAX_LENGTH``.

    Raises:
        NotFoundError: one of ``tables`` is unknown.
        ValueError: there is no table to ask.
    """
    chosen = schema.select(tables)
    if not chosen:
        raise ValueError("a grammar needs at least one table")
    most_rows = max(table.row_count for table in schema.tables)
    words = {table.name: _words(f"t{i}", table, most_rows) for i, table in enumerate(chosen)}
    sources = [(identifier(table.name), [("", words[table.name])]) for table in chosen] + [
        (text, [(f"{identifier(name)}.", words[name]) for name in names]) for text, names in _joins(chosen)
    ]
    selects = [
        select
        for index, (text, sides) in enumerate(sources)
        if (select := _fitting(f"s{index}", text, sides)) is not None
    ]
    shortest = seq("count(*) FROM ", min((identifier(table.name) for table in chosen), key=len))
    return seq("SELECT ", alt(*(selects or [shortest])))


def sql_grammar(schema: DatabaseSchema, tables: Sequence[str] | None = None) -> str:
    """Return :func:`sql_tree` as EBNF with the root rule ``root``; raises as it does."""
    return to_ebnf(sql_tree(schema, tables))


def table_list_tree(schema: DatabaseSchema) -> Node:
    """Return JSON arrays of one to four table names, without spaces; a name may come twice.

    Raises:
        ValueError: the database has no table.
    """
    names = [json.dumps(table.name, ensure_ascii=False) for table in schema.tables]
    return seq("[", listed(Rule("name", alt(*names)), 4, ","), "]")


def table_list_grammar(schema: DatabaseSchema) -> str:
    """Return :func:`table_list_tree` as EBNF with the root rule ``root``; raises as it does."""
    return to_ebnf(table_list_tree(schema))


def _joins(tables: Sequence[Table]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the FROM text and the two table names for each foreign key between two ``tables``."""
    by_name = {table.name.lower(): table for table in tables}
    for table in tables:
        for key in table.foreign_keys:
            target = by_name.get(key.target.lower())
            # A self-join would need aliases.
            if target is None or target is table or not _holds(key, target):
                continue
            here, there = identifier(table.name), identifier(target.name)
            pairs = [
                f"{here}.{identifier(ours)} = {there}.{identifier(theirs)}"
                for ours, theirs in zip(key.columns, key.target_columns, strict=True)
            ]
            yield f"{here} JOIN {there} ON {' AND '.join(pairs)}", (table.name, target.name)


def _holds(key: ForeignKey, target: Table) -> bool:
    """Return whether ``key`` refers to columns that exist; SQLite accepts a declaration that doesn't."""
    known = {column.name.lower() for column in target.columns}
    referred = [name.lower() for name in key.target_columns]
    return len(referred) == len(key.columns) and known.issuperset(referred)


def _words(prefix: str, table: Table, most_rows: int) -> _Words:
    measures = [column for column in table.columns if column.name not in table.key_columns]
    numbers = [column for column in measures if column.kind == Kind.NUMBER]
    ordered = [column for column in measures if column.kind in (Kind.NUMBER, Kind.DATE)]
    largest = max((abs(value) for column in numbers for value in _numbers(column)), default=0)
    return _Words(
        column=Rule(f"{prefix}_column", _names(table.columns)),
        number=Rule(f"{prefix}_number", _names(numbers)) if numbers else None,
        ordered=Rule(f"{prefix}_ordered", _names(ordered)) if ordered else None,
        test=Rule(f"{prefix}_test", alt(*map(_test, table.columns))),
        # sum() over integers fails on overflow; a join has at most this many rows.
        summable=largest * most_rows**2 < _MAX_SAFE_SUM,
    )


def _names(columns: Sequence[Column]) -> Node:
    return alt(*(identifier(column.name) for column in columns))


def _numbers(column: Column) -> list[int | float]:
    return [value for value in column.samples if not isinstance(value, str)]


def _test(column: Column) -> Node:
    """Return the conditions on one column."""
    values = [literal(value) for value in column.samples if len(str(value)) <= _MAX_VALUE_CHARACTERS]
    options: list[Node | str] = []
    if column.kind == Kind.NUMBER:
        options.append(seq(_COMPARISON, alt(*values, _INTEGER)))
    elif column.kind == Kind.DATE:
        options.append(seq(_COMPARISON, alt(*values, _first_of_month(column))))
    elif values:
        options.append(seq(alt(" = ", " <> "), alt(*values)))
    if not options or (column.nullable and not column.primary_key):
        options.append(alt(" IS NULL", " IS NOT NULL"))
    return seq(identifier(column.name), alt(*options))


def _first_of_month(column: Column) -> Node:
    first, last = (int(str(column.samples[end])[:4]) for end in (0, -1))
    years = [f"{year:04}" for year in range(max(first, last - _MAX_YEARS + 1), last + 1)]
    return seq("'", alt(*years), "-", _MONTH, "-01'")


def _fitting(name: str, text: str, sides: Sequence[tuple[str, _Words]]) -> Node | None:
    """Return the statements over one source (after SELECT), as rich as fits, or None if none does."""
    for size in _SIZES:
        node = _select(name, text, sides, size)
        if max_length(node) + len("SELECT ") <= MAX_LENGTH:
            return node
    return None


def _select(name: str, text: str, sides: Sequence[tuple[str, _Words]], size: _Size) -> Node:
    column = Rule(f"{name}_column", alt(*(seq(side, words.column) for side, words in sides)))
    test = alt(*(seq(side, words.test) for side, words in sides))
    source: Node = Literal(f" FROM {text}")
    if size.conditions:
        where = seq(" WHERE ", listed(test, size.conditions, " AND "))
        source = Rule(f"{name}_from", seq(source, optional(where)))
    aggregate = Rule(f"{name}_aggregate", _aggregates(column, sides))
    descending = optional(" DESC")
    order = seq(" ORDER BY ", column, descending)
    rank = seq(" ORDER BY ", alt("1", "2"), descending)
    plain: list[Node | str] = [optional("DISTINCT "), listed(column, size.columns), source, optional(order)]
    grouped: list[Node | str] = [column, ", ", aggregate, source, " GROUP BY 1", optional(rank)]
    return alt(
        seq(*plain, optional(_LIMIT)),
        seq(listed(aggregate, size.aggregates), source),
        seq(*grouped, optional(_LIMIT)),
    )


def _aggregates(column: Node, sides: Sequence[tuple[str, _Words]]) -> Node:
    options: list[Node | str] = ["count(*)", seq("count(DISTINCT ", column, ")")]
    for side, words in sides:
        if words.number is not None:
            functions = alt("avg(", "sum(") if words.summable else Literal("avg(")
            options.append(seq(functions, side, words.number, ")"))
        if words.ordered is not None:
            options.append(seq(alt("min(", "max("), side, words.ordered, ")"))
    return alt(*options)
