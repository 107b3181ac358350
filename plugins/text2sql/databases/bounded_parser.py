"""Parsing SQL that anybody may have written: with a bound on the work.

sqlglot tries some constructs in several ways, one within the other: of ``STRUCT(STRUCT(STRUCT(…`` each level
doubles the work, so that a line of text would be parsed for ever.
"""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import Token, exp
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser

MOST_STEPS_PER_TOKEN = 100
"""How often the parser may come by each token; the attacks in the tests take at most four."""
_FEW_TOKENS = 100


def parsed(statement: str, dialect: str) -> list[exp.Expr]:
    """Return the statements in ``statement``, leaving out empty ones.

    Raises:
        SqlglotError: it can't be parsed, or takes too much work; a ``ParseError`` says where it failed.
        RecursionError: it is nested too deeply.
    """
    found = sqlglot.Dialect.get_or_raise(dialect)
    parser = _bounded(found.parser_class)(dialect=found)
    try:
        trees = parser.parse(found.tokenize(statement), statement)
    except (SqlglotError, RecursionError):
        raise
    except Exception as error:  # a fault of the parser's: it reads beyond the end of ``(SHOW ALL``
        raise SqlglotError("it can't be parsed") from error
    return [tree for tree in trees if tree is not None]


def tokens(statement: str, dialect: str) -> list[Token]:
    """Return the tokens of ``statement``, which has been parsed."""
    return sqlglot.Dialect.get_or_raise(dialect).tokenize(statement)


def parsed_one(statement: str, dialect: str) -> exp.Expr:
    """Return the one statement in ``statement``.

    Raises:
        SqlglotError: there isn't exactly one; as :func:`parsed`.
        RecursionError: it is nested too deeply.
    """
    trees = parsed(statement, dialect)
    if len(trees) != 1:
        raise SqlglotError(f"there are {len(trees)} statements, not one")
    return trees[0]


@cache
def _bounded(parser: type[Parser]) -> type[Parser]:
    """Return ``parser`` with a bound on its steps, forth and back."""

    class Bounded(parser):  # type: ignore[valid-type, misc]
        def reset(self) -> None:
            super().reset()
            self._steps = 0

        def _advance(self, times: int = 1) -> None:
            self._steps += 1
            if self._steps > MOST_STEPS_PER_TOKEN * max(self._tokens_size, _FEW_TOKENS):
                raise SqlglotError("it takes too long to parse; write it with less nesting")
            super()._advance(times)

    return Bounded
