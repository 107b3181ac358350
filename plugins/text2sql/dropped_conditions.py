"""Whether a revision reaches rows only because it asks for less than the statement before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError

from plugins.text2sql.databases.bounded_parser import parsed_one


def dropped(before: str, after: str, dialect: str) -> list[str]:
    """Return the conditions of ``before`` that ``after`` lacks, if it has no others; as they were written.

    A condition that was replaced, as by another spelling of a value, is not dropped.  Nothing is, either, if
    one of the statements can't be parsed.
    """
    try:
        earlier, later = list(_conditions(before, dialect)), list(_conditions(after, dialect))
    except SqlglotError:
        return []
    left = Counter(_normal(condition) for condition in later)
    if left - Counter(_normal(condition) for condition in earlier):
        return []
    missing = []
    for condition in earlier:
        key = _normal(condition)
        if left[key]:
            left[key] -= 1
        else:
            missing.append(condition.sql(dialect))
    return missing


def _conditions(statement: str, dialect: str) -> Iterator[exp.Expr]:
    """Yield what a statement demands of its rows, one condition at a time, also in subqueries and CTEs.

    What joins isn't asked for.  A condition that an outer join has removes no row.
    """
    tree = parsed_one(statement, dialect)
    places = [place.this for place in tree.find_all(exp.Where, exp.Having, exp.Qualify)]
    places += [join.args["on"] for join in tree.find_all(exp.Join) if join.args.get("on") and not join.side]
    for place in places:
        condition = place.unnest()
        yield from filter(_demands, condition.flatten() if isinstance(condition, exp.And) else (condition,))


def _demands(condition: exp.Expr) -> bool:
    """Return whether ``condition`` says which rows are wanted.

    Equal columns and those of two tables join.  A subquery may be written as a join, or as ORDER BY with
    LIMIT; its own conditions count by themselves.
    """
    if condition.find(exp.Column, exp.Star) is None:
        return False
    if condition.find(exp.Query) is not None:
        return isinstance(condition, exp.Not)
    if isinstance(condition, exp.Predicate) and isinstance(condition, exp.Binary):
        left, right = condition.this, condition.expression
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            return not isinstance(condition, exp.EQ) and left.table.lower() == right.table.lower()
    return True


def _normal(condition: exp.Expr) -> str:
    """Return a condition without the case of its names, tables before columns, and inner conditions."""
    copy = condition.copy()
    for place in list(copy.find_all(exp.Where, exp.Having, exp.Qualify)):
        place.pop()
    for join in copy.find_all(exp.Join):
        join.set("on", None)
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    for identifier in copy.find_all(exp.Identifier):
        identifier.set("this", identifier.this.casefold())
        identifier.set("quoted", False)
    return str(copy.sql())
