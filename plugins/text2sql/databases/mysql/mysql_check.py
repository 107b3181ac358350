"""What of MySQL's SQL the check of all kinds doesn't know to be harmful."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.database import StatementError
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.mysql.mysql_functions import known

_TYPED = frozenset(name.lower() for name in MySQL.parser_class.FUNCTIONS)


def check(statement: str, dialect: Dialect) -> None:
    """Refuse what may do more than read the tables of the database: ``dialect.default_schema``, if any.

    That is variables, functions that aren't the server's own, and other databases.
    ``statement`` is one SELECT.

    Raises:
        StatementError: it is refused.
    """
    try:
        tree = parsed_one(statement, dialect.name)
        called = [*_called(tree), *_written(statement, dialect.name)]
    except (SqlglotError, RecursionError) as error:
        raise _refused("the statement isn't understood") from error
    for name in called:
        if not known(name.lower()):
            raise _refused(f"the function {name} is not known to be harmless and not allowed")
    for node in tree.find_all(exp.Parameter, exp.SessionParameter, exp.PropertyEQ):
        raise _refused(f"variables ({node.sql(dialect.name)}) are not allowed")
    for table in tree.find_all(exp.Table):
        if table.db and dialect.default_schema and table.db.lower() != dialect.default_schema.lower():
            raise _refused(
                f"the table {table.db}.{table.name} is in another database; use those of the schema"
            )


def _called(tree: exp.Expr) -> Iterator[str]:
    """Yield the functions that the parser doesn't know, or that belong to a database."""
    for node in tree.find_all(exp.Anonymous):
        yield node.name
    for dot in tree.find_all(exp.Dot):
        if isinstance(dot.expression, exp.Func):
            yield dot.sql(MySQL)


def _written(statement: str, dialect: str) -> Iterator[str]:
    """Yield what is written like a call of a function that the parser has, perhaps of another database's."""
    tokens = sqlglot.tokenize(statement, read=dialect)
    for word, next_ in pairwise(tokens):
        if next_.token_type == TokenType.L_PAREN and word.text.lower() in _TYPED:
            yield word.text


def _refused(message: str) -> StatementError:
    return StatementError("rejected", message)
