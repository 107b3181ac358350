"""What sort of value an expression has, and the casts from one sort to another."""

from __future__ import annotations

from typing import Literal

from sqlglot import exp

from plugins.text2sql.databases.translation.moments import is_moment

Sort = Literal["text", "number", "moment", "truth", ""]


def sort_of(node: exp.Expr) -> Sort:
    """Return what the value of ``node`` is; ``""`` if that isn't known."""
    node = node.unnest()
    if isinstance(node, exp.Predicate | exp.Connector | exp.Not) or node.is_type(exp.DType.BOOLEAN):
        return "truth"
    if node.is_string or node.is_type(*exp.DataType.TEXT_TYPES):
        return "text"
    if is_moment(node):
        return "moment"
    if node.is_number or node.is_type(*exp.DataType.NUMERIC_TYPES):
        return "number"
    return ""


def is_whole(node: exp.Expr) -> bool:
    """Whether ``node`` is known to be a whole number."""
    return node.is_int or node.is_type(*exp.DataType.INTEGER_TYPES)


def as_text(node: exp.Expr) -> None:
    """Replace ``node`` by its text."""
    if isinstance(node, exp.Literal):
        node.replace(exp.Literal.string(node.name))
    elif sort_of(node) != "text":
        node.replace(exp.cast(node.copy(), "TEXT"))


def as_number(node: exp.Expr, target: str, columns: bool = False) -> None:
    """Make 0 or 1 of what is true or false; of a column only with ``columns``."""
    named = isinstance(node.unnest(), exp.Column | exp.Boolean)
    if target != "mysql" and sort_of(node) == "truth" and (columns or not named):
        node.replace(exp.cast(node.copy(), "INT"))
