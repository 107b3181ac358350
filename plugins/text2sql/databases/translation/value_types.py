"""Values of different types that meet: SQLite compares and converts them, other databases refuse to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from plugins.text2sql.databases.translation import calculations, comparisons
from plugins.text2sql.databases.translation.value_sorts import as_number, sort_of

_TEXT_FUNCTIONS = (exp.Substring, exp.Upper, exp.Lower, exp.Trim, exp.Length, exp.StrPosition, exp.Replace)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


def convert_values(tree: exp.Expr, target: str) -> None:
    """Convert explicitly what SQLite converts by itself, for dialect ``target``; inner values first."""
    for node in reversed(list(tree.walk())):
        for kinds, convert in _CONVERSIONS.items():
            if isinstance(node, kinds):
                convert(node, target)
                break
    for place in list(tree.find_all(exp.Where, exp.Having, exp.Join, exp.Connector, exp.Not, exp.If)):
        _demand_truth(place, target)
    for select in tree.find_all(exp.Select):
        for shown in select.expressions:
            as_number(shown.unalias(), target)


def _demand_truth(place: exp.Expr, target: str) -> None:
    """Make a condition of a number."""
    if target == "mysql":
        return
    names = ("on",) if isinstance(place, exp.Join) else ("this",)
    for name in (*names, "expression") if isinstance(place, exp.Connector) else names:
        condition = place.args.get(name)
        if isinstance(place, exp.If) and isinstance(place.parent, exp.Case) and place.parent.this:
            continue
        if condition is None or sort_of(condition) != "number":
            continue
        if condition.is_int:
            condition.replace(exp.Boolean(this=condition.name != "0"))
        else:
            condition.replace(exp.NEQ(this=condition.copy(), expression=exp.Literal.number(0)))


_CONVERSIONS: Mapping[tuple[type[exp.Expr], ...], Callable[[exp.Expr, str], None]] = {
    _COMPARISONS: comparisons.compare,
    (exp.Between,): comparisons.between,
    (exp.In,): comparisons.is_in,
    (exp.Like,): comparisons.like,
    (exp.Glob,): comparisons.glob,
    _TEXT_FUNCTIONS: comparisons.text_function,
    (exp.DPipe,): comparisons.joined,
    (exp.GroupConcat,): comparisons.listed,
    _ARITHMETIC: calculations.calculate,
    (exp.Cast,): calculations.cut_off,
    (exp.Round,): calculations.rounded,
    (exp.Coalesce,): comparisons.coalesce,
    (exp.Avg, exp.Sum): calculations.aggregated,
    (exp.Anonymous,): calculations.other_function,
}
