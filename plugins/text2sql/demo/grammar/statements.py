"""Grammars made from a schema, so that even an untrained model writes SQL that runs.

Every string of :func:`sql_tree` is one SELECT that SQLite runs on that database without error, and
every string ends within a known length (``max_length`` of ``tree.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier
from plugins.text2sql.demo.grammar.conditions import Conditions, conditions, where
from plugins.text2sql.demo.grammar.joins import sources
from plugins.text2sql.demo.grammar.tree import Literal, Node, Rule, alt, listed, max_length, optional, seq
from plugins.text2sql.demo.grammar.values import Values

MAX_LENGTH = 1300
"""The longest statement in bytes; only if no table allows one so short, it is longer."""

_MAX_SAFE_FACTOR = 2**31


@dataclass(frozen=True, slots=True)
class _Size:
    """How many columns or aggregates, and how many conditions a statement may have."""

    items: int
    conditions: int


# Tried in this order until the longest statement over a table or join is short enough.
_SIZES = (_Size(4, 3), _Size(3, 3), _Size(3, 2), _Size(2, 1), _Size(1, 1), _Size(1, 0))


@dataclass(frozen=True, slots=True)
class _Words:
    """What can be said about one table.  Columns are unqualified, ``None`` where there is none."""

    column: Node
    number: Node | None
    ordered: Node | None
    date: Node | None
    dated: Node | None
    conditions: Conditions
    summable: bool


def sql_tree(
    schema: DatabaseSchema, tables: Sequence[str] | None = None, values: Values | None = None
) -> Node:
    """Return the SELECT statements over ``tables`` (all for ``None``) and joins along foreign keys.

    Covered are columns, DISTINCT, aggregates, joins (``joins.py``), conditions on numbers, dates, texts,
    means and missing rows, GROUP BY, HAVING, ORDER BY and LIMIT.  ``max_length`` is at most ``MAX_LENGTH``.
    With ``values`` a value is one of them, and what of them is needed is used unless no source has it all.

    Raises:
        NotFoundError: one of ``tables`` is unknown.
        ValueError: there is no table to ask.
    """
    chosen = schema.select(tables)
    if not chosen:
        raise ValueError("a grammar needs at least one table")
    values = values or Values()
    words = {table.name: _words(f"t{i}", table, schema, values) for i, table in enumerate(chosen)}
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
        if (select := _fitting(f"s{index}", text, sides, values)) is not None
    ]
    if not selects and values.texts.named:
        return sql_tree(schema, tables, values.free)
    shortest = seq("count(*) FROM ", min((identifier(table.name) for table in chosen), key=len))
    return seq("SELECT ", alt(*(selects or [shortest])))


def _words(prefix: str, table: Table, schema: DatabaseSchema, values: Values) -> _Words:
    measures = [column for column in table.columns if column.name not in table.key_columns]
    numbers = [column for column in measures if column.kind == Kind.NUMBER]
    ordered = [column for column in measures if column.kind in (Kind.NUMBER, Kind.DATE)]
    dates = [column for column in measures if column.kind == Kind.DATE]
    largest = max((abs(value) for column in numbers for value in _samples(column)), default=0)
    dated = Rule(f"{prefix}_date", _names(dates)) if dates else None
    most_rows = max(known.row_count for known in schema.tables)
    return _Words(
        column=Rule(f"{prefix}_column", _names(table.columns)),
        number=Rule(f"{prefix}_number", _names(numbers)) if numbers else None,
        ordered=Rule(f"{prefix}_ordered", _names(ordered)) if ordered else None,
        date=dated if len(dates) > 1 else None,
        dated=dated,
        conditions=conditions(prefix, table, schema, values),
        # sum() over integers fails on overflow; a join has no more rows than its first table, and what is
        # summed is at most the product of two numbers.
        summable=max(largest, 2) * most_rows < _MAX_SAFE_FACTOR,
    )


def _names(columns: Sequence[Column]) -> Node:
    return alt(*(identifier(column.name) for column in columns))


def _samples(column: Column) -> list[int | float]:
    return [value for value in column.samples if not isinstance(value, str)]


def _fitting(name: str, text: str, sides: Sequence[tuple[str, _Words]], values: Values) -> Node | None:
    """Return the statements over one source (after SELECT), as rich as fits, or None if none does."""
    for size in _SIZES:
        node = _select(name, text, sides, size, values)
        if node is None or max_length(node) + len("SELECT ") <= MAX_LENGTH:
            return node
    return None


def _select(
    name: str, text: str, sides: Sequence[tuple[str, _Words]], size: _Size, values: Values
) -> Node | None:
    rows = where(name, [(side, words.conditions) for side, words in sides], size.conditions)
    if rows is None:
        return None
    columns = Rule(f"{name}_column", alt(*(seq(side, words.column) for side, words in sides)))
    periods = [seq("substr(", side, of.dated, ", 1, ", alt("4", "7"), ")") for side, of in sides if of.dated]
    column = Rule(f"{name}_shown", alt(columns, *periods)) if periods else columns
    aggregate = Rule(f"{name}_aggregate", _aggregates(columns, sides))
    having = seq(" HAVING ", aggregate, values.numbers.comparison)
    either = alt(column, aggregate)
    # Rows that aren't grouped can't be ordered by an aggregate.
    grouped = seq(" GROUP BY ", column, optional(having), optional(_order(either)))
    end = alt(grouped, optional(_order(column)))
    return seq(
        optional("DISTINCT "),
        listed(either, size.items),
        f" FROM {text}",
        *rows,
        end,
        optional(values.numbers.limit),
    )


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
            options.append(seq(alt("avg(", "max(", "min("), day, " - ", day, ")"))
    return alt(*options)
