"""Texts, numbers and dates that are compared or joined, which only SQLite does with values of any sort."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from sqlglot import exp

from plugins.text2sql.databases.translation.value_sorts import as_number, as_text, sort_of

_PERIOD = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?-?%")
_LETTERS = re.compile(r"[^\W\d_]")


def compare(node: exp.Expr, target: str) -> None:
    """Convert the sides of a comparison to the same sort."""
    _meet(node.args["this"], node.args["expression"], target)


def between(node: exp.Expr, target: str) -> None:
    """Convert the bounds of an interval, or what is in it."""
    for bound in ("low", "high"):
        _meet(node.this, node.args[bound], target)


def is_in(node: exp.Expr, target: str) -> None:
    """Convert the values of a list or a subquery, or what is sought in it."""
    for each in list(node.expressions):
        _meet(node.this, each, target)
    query = node.args.get("query")
    inner = query.unnest() if query is not None else None
    if isinstance(inner, exp.Select) and len(inner.expressions) == 1:
        shown = inner.expressions[0].unalias()
        if {sort_of(node.this), sort_of(shown)} in ({"text", "number"}, {"text", "moment"}):
            as_text(node.this)
            as_text(shown)


def _meet(one: exp.Expr, other: exp.Expr, target: str) -> None:
    """Convert two values that are compared to the same sort."""
    for left, right in ((one, other), (other, one)):
        sorts = sort_of(left), sort_of(right)
        if sorts == ("moment", "text") and not (right.is_string and _is_moment_text(right.name, left)):
            as_text(left)
        elif sorts == ("number", "text"):
            if right.is_string and _is_number(right.name):
                right.replace(exp.Literal.number(right.name.strip()))
            else:
                as_text(left)
        elif sorts == ("moment", "number"):
            as_text(left)
            as_text(right)
        elif sorts == ("truth", "number") and target != "mysql":
            if right.is_number and right.name in ("0", "1"):
                right.replace(exp.Boolean(this=right.name == "1"))
            else:
                as_number(left, target, columns=True)
        else:
            continue
        return


def _is_moment_text(text: str, moment: exp.Expr) -> bool:
    """Whether ``text`` stands for a moment as the value it is compared with does."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    form = r"\d{4}-\d\d-\d\d"
    if not moment.is_type(exp.DType.DATE):
        form += r"(?: \d\d:\d\d:\d\d(?:\.\d+)?)?"
    return re.fullmatch(form, text) is not None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*-?\d+(?:\.\d+)?\s*", text) is not None


def like(node: exp.Expr, target: str) -> None:
    """Compare as text, letters of any case alike; a date with the bounds of a year, a month or a day."""
    if node.args.get("negate"):  # as an operand of NOT, so that what stands for it is negated, too
        node.set("negate", None)
        whole = node.parent if isinstance(node.parent, exp.Escape) else node
        denied = exp.Not(this=whole.copy())
        whole.replace(denied)
        found = denied.find(exp.Like)
        assert found is not None
        node = found
    this, pattern = node.this, node.expression
    if sort_of(this) == "moment" and pattern.is_string and (period := _period(pattern.name)):
        first, behind = map(exp.Literal.string, period)
        # An index on the dates is used so.
        within = exp.and_(
            exp.GTE(this=this.copy(), expression=first), exp.LT(this=this.copy(), expression=behind)
        )
        node.replace(exp.paren(within) if isinstance(node.parent, exp.Not | exp.Or) else within)
        return
    if sort_of(this) != "text":
        as_text(this)
    known = pattern.name if pattern.is_string else None
    made: exp.Expr = node
    if known is None or _LETTERS.search(known):
        if target == "mysql":
            for side in (node.this, node.expression):
                lower = side.is_string and exp.Literal.string(side.name.lower())
                side.replace(lower or exp.Lower(this=side.copy()))
        else:
            made = exp.ILike(this=node.this.copy(), expression=node.expression.copy())
            node.replace(made)
    if known and "\\" in known and target != "duckdb" and not isinstance(made.parent, exp.Escape):
        made.replace(exp.Escape(this=made.copy(), expression=exp.Literal.string("")))


def _period(pattern: str) -> tuple[str, str] | None:
    """Return the first day of the period whose dates begin as ``pattern`` says, and the day after it."""
    found = _PERIOD.fullmatch(pattern)
    if found is None:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
        if day:
            behind = first + timedelta(days=1)
        elif month:
            behind = (first + timedelta(days=31)).replace(day=1)
        else:
            behind = first.replace(year=first.year + 1)
    except (ValueError, OverflowError):
        return None
    return first.isoformat(), behind.isoformat()


def glob(node: exp.Expr, target: str) -> None:
    """Write a simple pattern of GLOB, which heeds the case, for LIKE."""
    pattern = node.expression
    if pattern.is_string and not re.search(r"[\[\]%_\\]", pattern.name):
        text = pattern.name.replace("*", "%").replace("?", "_")
        as_text(node.this)
        node.replace(exp.Like(this=node.this.copy(), expression=exp.Literal.string(text)))


def text_function(node: exp.Expr, target: str) -> None:
    """Take the text of any value, and count from its end as SQLite does."""
    if sort_of(node.this) not in ("text", ""):
        as_text(node.this)
    counts = isinstance(node, exp.Length | exp.StrPosition)
    node.type = exp.DataType.build("BIGINT" if counts else "TEXT")
    start = node.args.get("start") if isinstance(node, exp.Substring) else None
    if isinstance(start, exp.Neg) and start.this.is_int and node.args.get("length") is None:
        made = exp.Right(this=node.this.copy(), expression=start.this.copy())
        made.type = exp.DataType.build("TEXT")
        node.replace(made)


def joined(node: exp.Expr, target: str) -> None:
    """Join the texts of any values."""
    for side in (node.args["this"], node.args["expression"]):
        if sort_of(side) not in ("text", ""):
            as_text(side)
    node.type = exp.DataType.build("TEXT")


def listed(node: exp.Expr, target: str) -> None:
    """Aggregate the texts of any values."""
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if sort_of(inner) != "text":
        as_text(inner)


def coalesce(node: exp.Expr, target: str) -> None:
    """Make texts of all values if one of them is a text."""
    values = [node.this, *node.expressions]
    if {"text"} < {sort_of(value) for value in values}:
        for value in values:
            as_text(value)
