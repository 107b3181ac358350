"""Grouped queries as other databases demand them: each value is grouped, aggregated, or any row's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from plugins.text2sql.databases.translation.resolved_names import KEYS, SOURCE

_ANY = {"postgres": "(ARRAY_AGG(value))[1]", "duckdb": "FIRST(value)", "mysql": "MIN(value)"}
_AT = {
    ("postgres", exp.Max): "(ARRAY_AGG(value ORDER BY key DESC NULLS LAST))[1]",
    ("postgres", exp.Min): "(ARRAY_AGG(value ORDER BY key NULLS LAST))[1]",
    ("duckdb", exp.Max): "ARG_MAX(value, key)",
    ("duckdb", exp.Min): "ARG_MIN(value, key)",
}


def group_as(tree: exp.Expr, target: str) -> None:
    """Aggregate what ``tree`` neither groups nor aggregates, where dialect ``target`` demands it.

    With one max() or min() in the query such a column has the value of that row, as in SQLite; else of any.
    MySQL has no means for the former: there, the column is left as it is, which is an error.  A DISTINCT that
    is ordered by something else is grouped.
    """
    if target not in _ANY:
        return
    for select in list(tree.find_all(exp.Select)):
        _expand_aliases(select)
        _order_distinct(select)
        aggregates = list(_aggregates(select))
        if aggregates or select.args.get("group"):
            _aggregate_bare(select, aggregates, target)


def _parts(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield what is computed once a group: what is shown, demanded, ordered by."""
    yield from select.expressions
    having, order = select.args.get("having"), select.args.get("order")
    if having is not None:
        yield having.this
    for ordered in order.expressions if order is not None else ():
        yield ordered.this


def _within(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield ``node`` and what is in it, but for subqueries, and what is in an aggregate."""
    yield from node.walk(prune=lambda each: isinstance(each, exp.AggFunc | exp.Query | exp.Window))


def _aggregates(select: exp.Select) -> Iterator[exp.AggFunc]:
    for part in _parts(select):
        for node in _within(part):
            if isinstance(node, exp.AggFunc):
                yield node


def _expand_aliases(select: exp.Select) -> None:
    """Write out the names of results in conditions and computed orders, where only SQLite knows them."""
    named = {each.alias.casefold(): each.this for each in select.expressions if isinstance(each, exp.Alias)}
    places = [select.args.get(part) for part in ("where", "having")]
    order, group = select.args.get("order"), select.args.get("group")
    places += [each for each in order.expressions if not isinstance(each.this, exp.Column)] if order else []
    places += [each for each in group.expressions if not isinstance(each, exp.Column)] if group else []
    for place in places:
        for column in list(place.find_all(exp.Column)) if place is not None else ():
            meant = named.get(column.name.casefold())
            own = column.find_ancestor(exp.Select) is select
            if own and meant is not None and not column.table and SOURCE not in column.meta:
                simple = isinstance(meant, exp.Column | exp.Func | exp.Literal)
                column.replace(meant.copy() if simple else exp.paren(meant.copy()))


def _order_distinct(select: exp.Select) -> None:
    """Make a DISTINCT that is ordered by what isn't shown a GROUP BY."""
    order = select.args.get("order")
    if not select.args.get("distinct") or order is None:
        return
    shown = {_key(each.unalias()) for each in select.expressions}
    names = {each.alias_or_name.casefold() for each in select.expressions}
    hidden = [
        each
        for each in order.expressions
        if _key(each.this) not in shown
        and not each.this.is_int
        and not (
            isinstance(each.this, exp.Column)
            and SOURCE not in each.this.meta
            and each.this.name.casefold() in names
        )
    ]
    if not hidden:
        return
    group = select.args.get("group")
    if group is not None or any(_aggregates(select)):
        # Groups that are shown by all they are grouped by differ anyway.
        if group is None or all(_key(each) in shown for each in _grouped(select)):
            select.set("distinct", None)
        return
    select.set("distinct", None)
    select.set("group", exp.Group(expressions=[each.unalias().copy() for each in select.expressions]))
    for ordered in hidden:
        function = exp.Max if ordered.args.get("desc") else exp.Min
        ordered.set("this", function(this=ordered.this.copy()))


def _grouped(select: exp.Select) -> list[exp.Expr]:
    """Return what is grouped by, a number or a name of a result replaced by what it stands for."""
    group = select.args.get("group")
    named = {each.alias.casefold(): each.this for each in select.expressions if isinstance(each, exp.Alias)}
    found = []
    for each in group.expressions if group is not None else ():
        if each.is_int and 0 < int(each.name) <= len(select.expressions):
            found.append(select.expressions[int(each.name) - 1].unalias())
        elif isinstance(each, exp.Column) and SOURCE not in each.meta:
            found.append(named.get(each.name.casefold(), each))
        else:
            found.append(each)
    return found


def _aggregate_bare(select: exp.Select, aggregates: Sequence[exp.AggFunc], target: str) -> None:
    grouped = _grouped(select)
    keys = {_key(each) for each in grouped}
    extremes = {_key(each): each for each in aggregates if isinstance(each, exp.Max | exp.Min)}
    by = next(iter(extremes.values())) if len(extremes) == 1 else None
    names = {each.alias_or_name.casefold() for each in select.expressions}
    for part in list(_parts(select)):
        for node in list(_bare(part, keys)):
            of_query = SOURCE not in node.meta and not node.table and node.name.casefold() in names
            follows = _follows(node, grouped)
            if of_query or (follows and target == "postgres"):
                continue
            at = None if follows else by
            if at is not None and (target, type(at)) not in _AT:
                continue
            value = _any_value(node, at, target)
            if node is part and not isinstance(node.parent, exp.Ordered | exp.Having):
                value = exp.alias_(value, node.this.copy())
            node.replace(value)


def _bare(node: exp.Expr, keys: set[str]) -> Iterator[exp.Column]:
    """Yield the columns in ``node`` that are neither aggregated nor in something that is grouped by."""
    if isinstance(node, exp.AggFunc | exp.Query | exp.Window) or _key(node) in keys:
        return
    if isinstance(node, exp.Column):
        if not isinstance(node.this, exp.Star):
            yield node
        return
    for child in node.iter_expressions():
        yield from _bare(child, keys)


def _follows(column: exp.Column, grouped: Sequence[exp.Expr]) -> bool:
    """Whether the primary key of the table of ``column`` is grouped by, on which it depends."""
    keys: list[str] = column.meta.get(KEYS) or []
    source = column.meta.get(SOURCE)
    by = {each.name for each in grouped if each.meta.get(SOURCE) == source and isinstance(each, exp.Column)}
    return bool(keys) and by.issuperset(keys)


def _any_value(column: exp.Column, by: exp.AggFunc | None, target: str) -> exp.Expr:
    text = _ANY[target] if by is None else _AT[target, type(by)]
    tree = sqlglot.parse_one(text, read=target)
    stand_ins = {"value": column, "key": by.this if by is not None else column}
    for stand_in in list(tree.find_all(exp.Column)):
        stand_in.replace(stand_ins[stand_in.name].copy())
    return tree


def _key(node: exp.Expr) -> str:
    """Return ``node`` as a text that is the same for the same value, with or without the table's name."""
    copy = node.copy()
    for column in copy.find_all(exp.Column):
        if SOURCE in column.meta:
            column.set("table", exp.to_identifier(column.meta[SOURCE].casefold()))
    return copy.sql().casefold()
