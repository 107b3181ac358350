"""Whether a revision reaches rows only because it asks for less than the statement before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


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
    """Yield what WHERE and HAVING demand of values, one condition at a time; what joins isn't asked for."""
    for place in sqlglot.parse_one(statement, read=dialect).find_all(exp.Where, exp.Having):
        condition = place.this.unnest()
        for part in condition.flatten() if isinstance(condition, exp.And) else (condition,):
            if part.find(exp.Literal) is not None:
                yield part


def _normal(condition: exp.Expr) -> str:
    """Return a condition without the case of its names, and without the tables in front of its columns."""
    copy = condition.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    for identifier in copy.find_all(exp.Identifier):
        identifier.set("this", identifier.this.casefold())
        identifier.set("quoted", False)
    return str(copy.sql())
