"""Where NULLs stand: first in SQLite's ascending order, and not worth a word where there are none."""

from __future__ import annotations

from sqlglot import exp

from plugins.text2sql.databases.translation.resolved_names import REQUIRED

_NULL_OF_NULL = (
    exp.Avg,
    exp.Cast,
    exp.Max,
    exp.Min,
    exp.Paren,
    exp.Round,
    exp.Substring,
    exp.Sum,
    exp.TimeToStr,
)
"""What is NULL only if its first argument is, in a group of at least one row."""


def order_nulls(tree: exp.Expr, target: str) -> None:
    """Leave NULLS FIRST and LAST to dialect ``target`` where what is ordered by is never NULL.

    Else sqlglot writes them, as SQLite's order has it; an index that orders the other way isn't used then.
    """
    if target == "mysql":  # its NULLs are where SQLite's are
        return
    for ordered in tree.find_all(exp.Ordered):
        select = ordered.find_ancestor(exp.Select)
        if select is not None and _is_never_null(ordered.this, select):
            ordered.set("nulls_first", bool(ordered.args.get("desc")) if target == "postgres" else False)


def _is_never_null(node: exp.Expr, select: exp.Select) -> bool:
    if isinstance(node, exp.Count):
        return True
    if isinstance(node, exp.Literal):
        shown = select.expressions[int(node.name) - 1 : int(node.name)] if node.is_int else []
        return all(_is_never_null(each.unalias(), select) for each in shown)
    if isinstance(node, _NULL_OF_NULL):
        return _is_never_null(node.this, select)
    if not isinstance(node, exp.Column):
        return False
    if REQUIRED in node.meta:
        return bool(node.meta[REQUIRED]) and not any(join.side for join in select.args.get("joins") or ())
    named = [each.unalias() for each in select.expressions if each.alias_or_name == node.name]
    known = [each for each in named if not isinstance(each, exp.Column) or REQUIRED in each.meta]
    return bool(named) and known == named and all(_is_never_null(each, select) for each in named)
