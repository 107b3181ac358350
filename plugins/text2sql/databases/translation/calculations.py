"""What is calculated: SQLite divides whole numbers without a rest, cuts off, and counts what is true."""

from __future__ import annotations

from sqlglot import exp

from plugins.text2sql.databases.translation.moments import DAYS
from plugins.text2sql.databases.translation.value_sorts import as_number, is_whole, sort_of


def calculate(node: exp.Expr, target: str) -> None:
    """Make numbers of what is calculated with: of a text what it begins with, of a date its year."""
    if node.meta.get(DAYS):
        return
    for side in (node.args["this"], node.args["expression"]):
        sort = sort_of(side)
        if sort == "text":
            whole = isinstance(side.unnest(), exp.TimeToStr)
            side.replace(exp.cast(side.copy(), "BIGINT" if whole else "DOUBLE"))
        elif sort == "moment":
            year = exp.Extract(this=exp.var("YEAR"), expression=side.copy())
            side.replace(exp.cast(year, "BIGINT"))
        elif sort == "truth":
            as_number(side, target, columns=True)
    sides = node.args["this"].unnest(), node.args["expression"].unnest()
    if all(map(is_whole, sides)):
        node.type = exp.DataType.build("BIGINT")
    elif all(sort_of(side) == "number" for side in sides):
        node.type = exp.DataType.build("DOUBLE")
    if isinstance(node, exp.Div):
        _divide(node, target)


def _divide(node: exp.Div, target: str) -> None:
    """Divide whole numbers without a rest, by nothing gives NULL."""
    left, right = node.left.unnest(), node.right.unnest()
    if not all(is_whole(side) for side in (left, right)):
        if target == "mysql" and not left.is_type(exp.DType.DOUBLE):
            node.left.replace(exp.cast(node.left.copy(), "DOUBLE"))
        return
    divided: exp.Expr
    if target == "postgres":
        # The sum of whole numbers is no whole number there.
        if left.find(exp.Sum) is None and right.find(exp.Sum) is None:
            return
        divided = exp.Trunc(this=node.copy())
    else:
        below = node.right.copy()
        if not (below.is_number and below.name != "0") and target != "mysql":
            below = exp.func("NULLIF", below, exp.Literal.number(0))
        divided = exp.IntDiv(this=node.left.copy(), expression=below)
    divided.type = exp.DataType.build("BIGINT")
    if isinstance(node.parent, exp.Binary):
        divided = exp.paren(divided)
        divided.type = exp.DataType.build("BIGINT")
    node.replace(divided)


def cut_off(node: exp.Expr, target: str) -> None:
    """Cut off what is behind the point, as SQLite does, instead of rounding it."""
    wanted = node.args["to"]
    if not wanted.is_type(*exp.DataType.INTEGER_TYPES):
        return
    wanted.set("this", exp.DType.BIGINT)
    if sort_of(node.this) in ("number", "") and not is_whole(node.this):
        node.this.replace(exp.Trunc(this=node.this.copy()))
    elif sort_of(node.this) == "moment":
        node.this.replace(exp.Extract(this=exp.var("YEAR"), expression=node.this.copy()))


def rounded(node: exp.Expr, target: str) -> None:
    """Round to a number of places, which PostgreSQL does with exact numbers only."""
    exact = node.this.is_type(exp.DType.DECIMAL) or is_whole(node.this)
    if target == "postgres" and node.args.get("decimals") is not None and not exact:
        node.this.replace(exp.cast(node.this.copy(), "DECIMAL"))


def aggregated(node: exp.Expr, target: str) -> None:
    """Add up what is true as 1, and keep MySQL from rounding means to four places."""
    counts = isinstance(node, exp.Sum) and (sort_of(node.this) == "truth" or is_whole(node.this.unnest()))
    as_number(node.this, target, columns=True)
    if counts:
        node.type = exp.DataType.build("BIGINT")
    if target == "mysql" and isinstance(node, exp.Avg) and not node.this.is_type(exp.DType.DOUBLE):
        node.this.replace(exp.cast(node.this.copy(), "DOUBLE"))


def other_function(node: exp.Expr, target: str) -> None:
    """Write total(), which has a sum of nothing, too."""
    if node.name.lower() == "total" and len(node.expressions) == 1:
        total = exp.Sum(this=node.expressions[0].copy())
        node.replace(exp.func("COALESCE", total, exp.Literal.number("0.0")))
