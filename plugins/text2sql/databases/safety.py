"""What may run: exactly one read-only SELECT.

This check gives the clear message.  It is not the only guard: a kind of database opens its connections
read-only and refuses everything but reading.
"""

from __future__ import annotations

import logging
import re

from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from plugins.text2sql.databases.bounded_parser import parsed, tokens
from plugins.text2sql.databases.dialect import Dialect

MAX_STATEMENT_CHARACTERS = 20_000
MAX_TABLE_USES = 1_000

_NO_SELECT = "there is no SELECT; write one"
# DuckDB lets FROM come first.
_SELECT = re.compile(r"\bselect\b(?![;,.:!?])|\A[\s(]*from\b", re.IGNORECASE)
# Unicode's spaces and what isn't seen.
_ODD = re.compile(
    "[\x80-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff0-\uffff]"
)
_WRITING = (
    exp.DDL,
    exp.DML,
    exp.Alter,
    exp.Attach,
    exp.Command,
    exp.Detach,
    exp.Drop,
    exp.Into,
    exp.Pragma,
    exp.Set,
    exp.Transaction,
)

# A statement that sqlglot can't parse is refused with our message; its warning would only repeat it.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class UnsafeSqlError(ValueError):
    """The text is not exactly one read-only SELECT; the message says why."""


def has_select(text: str) -> bool:
    """Return whether ``text`` may hold a SELECT: prose, or a statement of another kind, doesn't."""
    return _SELECT.search(text) is not None


def check_select(statement: str, dialect: Dialect) -> str:
    """Return ``statement`` without surrounding space and final semicolons, if it may run.

    Allowed is one SELECT, also with CTEs and set operations such as UNION, of at most
    ``MAX_STATEMENT_CHARACTERS`` characters and ``MAX_TABLE_USES`` uses of tables after expansion.

    Raises:
        UnsafeSqlError: anything else.
    """
    if len(statement) > MAX_STATEMENT_CHARACTERS:
        raise UnsafeSqlError(
            f"the statement has {len(statement)} characters, more than {MAX_STATEMENT_CHARACTERS}"
        )
    if any("\ud800" <= character <= "\udfff" for character in statement):
        raise UnsafeSqlError("the statement has halves of characters (surrogates), which are no text")
    if unclear := dialect.misread(statement):
        raise UnsafeSqlError(f"{unclear} is not allowed")
    trees = _parse(statement, dialect.name)
    if odd := _odd_character(statement, dialect.name):
        raise UnsafeSqlError(f"the character U+{ord(odd):04X} outside of quotes is not allowed")
    if not trees:
        raise UnsafeSqlError("there is no SQL statement; write one SELECT")
    if len(trees) > 1:
        raise UnsafeSqlError(f"found {len(trees)} statements; write exactly one SELECT")
    root = trees[0]
    if not isinstance(root, exp.Select | exp.SetOperation):
        found = f"{_verb(root)} is not allowed" if isinstance(root, _WRITING) else "this is no SELECT"
        raise UnsafeSqlError(f"{found}; write one SELECT")
    for node in root.walk():
        if isinstance(node, _WRITING):
            raise UnsafeSqlError(f"{_verb(node)} inside a SELECT is not allowed")
        if isinstance(node, exp.Describe | exp.Summarize | exp.Show):
            raise UnsafeSqlError(f"{_verb(node)} inside a SELECT is not allowed")
        if isinstance(node, exp.Lock):
            raise UnsafeSqlError("locking rows (FOR UPDATE, FOR SHARE) is not allowed")
        if isinstance(node, exp.Func):
            _check_function(node, dialect)
        if isinstance(node, exp.In) and (field := node.args.get("field")):
            # `x IN name` reads a table, which sqlglot takes for a column.
            node = exp.table_(field.name)
        if isinstance(node, exp.Table) and _belongs_to_database(node, dialect):
            name = node.name or node.this.name  # that of a function in place of a table
            raise UnsafeSqlError(f"the table {name} may not be read; use those of the schema")
        if refused := dialect.refuses(node):
            raise UnsafeSqlError(f"{refused} is not allowed")
    if _table_uses(root) > MAX_TABLE_USES:
        raise UnsafeSqlError("the CTEs use each other too often; use fewer")
    return statement.strip().rstrip("; \t\r\n")


def _check_function(node: exp.Func, dialect: Dialect) -> None:
    """Refuse a function that ``dialect`` forbids, also one that sqlglot knows under several names."""
    names = [node.name] if isinstance(node, exp.Anonymous) else node.sql_names()
    if any(dialect.forbids(name.lower()) for name in names):
        raise UnsafeSqlError(f"the function {names[0]} is not allowed")
    if excess := dialect.excessive(node):
        raise UnsafeSqlError(f"{excess} is not allowed")


def _belongs_to_database(table: exp.Table, dialect: Dialect) -> bool:
    return dialect.owns(table.db, table.name) or table.catalog.lower() in dialect.own_schemas


def _parse(statement: str, dialect: str) -> list[exp.Expr]:
    """Return the parsed statements, leaving out empty ones."""
    try:
        trees = parsed(statement, dialect)
    except ParseError as error:
        if not has_select(statement):  # prose, in which the place of the error means nothing
            raise UnsafeSqlError(_NO_SELECT) from error
        first = error.errors[0]
        raise UnsafeSqlError(
            f"syntax error near {first['highlight']!r} (line {first['line']}, column {first['col']})"
        ) from error
    except SqlglotError as error:
        raise UnsafeSqlError(f"syntax error: {error}" if has_select(statement) else _NO_SELECT) from error
    except RecursionError as error:
        raise UnsafeSqlError("the statement is nested too deeply") from error
    return [tree for tree in trees if not isinstance(tree, exp.Semicolon)]


def _odd_character(statement: str, dialect: str) -> str | None:
    """Return a character outside of quotes that is a space for some databases, a letter for others.

    SQLite and DuckDB skip the mark U+FEFF, which the parser takes for a part of ``getenv\\ufeff()``.
    """
    if statement.isascii():
        return None
    after = 0
    for token in tokens(statement, dialect):
        if found := _ODD.search(statement, after, token.start):  # between tokens stand spaces and comments
            return found[0]
        quoted = token.token_type == TokenType.IDENTIFIER or token.token_type.name.endswith("STRING")
        if not quoted and (found := _ODD.search(statement, token.start, token.end + 1)):
            return found[0]
        after = token.end + 1
    found = _ODD.search(statement.rstrip(), after)
    return found[0] if found else None


def _table_uses(root: exp.Expr) -> int:
    """Return how many tables ``root`` names once its CTEs are expanded, at most just over the limit.

    A database may copy a CTE into each place that uses it, as SQLite does, which takes exponential
    memory in a chain of CTEs that each use the one before twice.
    """
    names: dict[str, list[str]] = {}
    for cte in root.find_all(exp.CTE):
        used = [table.name.lower() for table in cte.this.find_all(exp.Table)]
        names[cte.alias.lower()] = [name for name in used if name != cte.alias.lower()]
    uses = dict.fromkeys(names, 1)
    for _ in names:
        before = dict(uses)
        for cte_name, used in names.items():
            total = sum(uses.get(name, 1) for name in used)
            uses[cte_name] = min(max(1, total), MAX_TABLE_USES + 1)
        if uses == before:
            break
    return sum(uses.get(table.name.lower(), 1) for table in root.find_all(exp.Table))


def _verb(node: exp.Expr) -> str:
    """Return the SQL word for ``node``; what sqlglot doesn't model is a ``Command`` named by its word."""
    return (node.name if isinstance(node, exp.Command) else node.key).upper()
