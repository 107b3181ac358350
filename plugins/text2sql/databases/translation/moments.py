"""SQLite's functions of dates and times in other dialects."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

_SHIFT = re.compile(r"([+-]?\d+) (second|minute|hour|day|month|year)s?", re.IGNORECASE)
_START = re.compile(r"start of (day|month|year)", re.IGNORECASE)
_FIRST = {"DAY": "%Y-%m-%d", "MONTH": "%Y-%m-01", "YEAR": "%Y-01-01"}
_DAYS_OF_EPOCH = "2440587.5"
"""The Julian day of 1970-01-01."""
_SECONDS_OF_DAY = "86400.0"
DAYS = "days"
"""The mark (``meta``) of a difference of two dates that stands for one of Julian days."""


def rewrite_moments(tree: exp.Expr, target: str) -> None:
    """Replace SQLite's functions of dates and times in ``tree`` by those of dialect ``target``.

    Those with an unknown modifier stay.
    """
    for difference in list(tree.find_all(exp.Sub)):
        _rewrite_difference(difference, target)
    for node in list(tree.find_all(exp.Date, exp.TimeToStr, exp.Anonymous)):
        name, arguments = _call(node)
        make = _MADE.get(name)
        if make is None or not arguments:
            continue
        first, *modifiers = arguments if name != "strftime" else arguments[1:]
        moment = _moment(first, modifiers, target)
        if moment is not None:
            made = make(moment, target) if name != "strftime" else _formatted(moment, arguments[0], target)
            node.replace(made)


def _call(node: exp.Expr) -> tuple[str, list[exp.Expr]]:
    if isinstance(node, exp.Anonymous):
        return node.name.lower(), node.expressions
    if isinstance(node, exp.TimeToStr):
        inner = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
        return "strftime", [node.args["format"], inner]
    return "date", [node.this, *node.expressions] if node.this is not None else []


def _moment(first: exp.Expr, modifiers: Sequence[exp.Expr], target: str) -> exp.Expr | None:
    """Return the moment that ``first`` is, moved by ``modifiers``; ``None`` if one isn't known."""
    moment = first.copy()
    if first.is_string and first.name.lower() == "now":
        moment = _typed(exp.CurrentTimestamp(), "TIMESTAMP")
    elif modifiers or not is_moment(first):
        moment = exp.cast(moment, "TIMESTAMP")
    for modifier in modifiers:
        text = modifier.name.strip() if modifier.is_string else ""
        if text.lower() in ("localtime", "utc"):
            continue
        if shift := _SHIFT.fullmatch(text):
            count, unit = int(shift[1]), exp.var(shift[2].upper())
            add = exp.DateAdd if count >= 0 else exp.DateSub
            moment = add(this=moment, expression=exp.Literal.number(abs(count)), unit=unit)
        elif start := _START.fullmatch(text):
            moment = _start(moment, start[1].upper(), target)
        else:
            return None
        moment = _typed(moment, "TIMESTAMP")
    return moment


def _start(moment: exp.Expr, unit: str, target: str) -> exp.Expr:
    if target == "mysql":
        pattern = exp.Literal.string(_FIRST[unit])
        return exp.cast(exp.TimeToStr(this=moment, format=pattern), "TIMESTAMP")
    return exp.TimestampTrunc(this=moment, unit=exp.var(unit))


def is_moment(node: exp.Expr) -> bool:
    """Whether ``node`` is known to be a date or a time stamp."""
    return node.is_type(*exp.DataType.TEMPORAL_TYPES)


def _typed(node: exp.Expr, type_: str) -> exp.Expr:
    node.type = exp.DataType.build(type_)
    return node


def _date(moment: exp.Expr, target: str) -> exp.Expr:
    return moment if moment.is_type(exp.DType.DATE) else exp.cast(moment, "DATE")


def _datetime(moment: exp.Expr, target: str) -> exp.Expr:
    return exp.cast(moment, "TIMESTAMP")


def _time(moment: exp.Expr, target: str) -> exp.Expr:
    return _text(exp.cast(exp.cast(moment, "TIMESTAMP"), "TIME"))


def _epoch(moment: exp.Expr, target: str) -> exp.Expr:
    """Return the seconds since 1970."""
    if target == "mysql":
        start = exp.cast(exp.Literal.string("1970-01-01"), "TIMESTAMP")
        return _typed(exp.TimestampDiff(this=moment, expression=start, unit=exp.var("SECOND")), "BIGINT")
    seconds = exp.Extract(this=exp.var("EPOCH"), expression=moment)
    return _typed(exp.cast(seconds, "BIGINT"), "BIGINT")


def _julian(moment: exp.Expr, target: str) -> exp.Expr:
    seconds, day = exp.Literal.number(_SECONDS_OF_DAY), exp.Literal.number(_DAYS_OF_EPOCH)
    share = exp.Div(this=_epoch(moment, target), expression=_typed(seconds, "DOUBLE"))
    return _typed(exp.paren(_typed(exp.Add(this=share, expression=day), "DOUBLE")), "DOUBLE")


_MADE: dict[str, Callable[[exp.Expr, str], exp.Expr]] = {
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "julianday": _julian,
    "unixepoch": _epoch,
    "strftime": _datetime,
}


def _formatted(moment: exp.Expr, pattern: exp.Expr, target: str) -> exp.Expr:
    if pattern.name == "%s":
        return _text(_epoch(moment, target))
    if pattern.name == "%w" and target != "mysql":
        return _text(exp.Extract(this=exp.var("DOW"), expression=moment))
    return _typed(exp.TimeToStr(this=moment, format=pattern.copy()), "TEXT")


def _text(node: exp.Expr) -> exp.Expr:
    return exp.cast(node, "TEXT")


def _rewrite_difference(node: exp.Sub, target: str) -> None:
    """Write the Julian days between two dates as the difference of the dates."""
    sides = [_call(side) for side in (node.left, node.right)]
    if any(name != "julianday" or len(arguments) != 1 for name, arguments in sides):
        return
    dates = [arguments[0] for _, arguments in sides]
    if not all(date.is_type(exp.DType.DATE) for date in dates):
        return
    later, earlier = (date.copy() for date in dates)
    if target == "mysql":
        days: exp.Expr = exp.DateDiff(this=later, expression=earlier)
    else:
        days = exp.Sub(this=later, expression=earlier)
    days.meta[DAYS] = True
    _typed(days, "BIGINT")
    if isinstance(node.parent, exp.Binary | exp.Paren):
        node.replace(exp.cast(days if target == "mysql" else exp.paren(days), "DOUBLE"))
    else:
        node.replace(days)
