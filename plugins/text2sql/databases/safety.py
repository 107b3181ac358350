"""What may run: exactly one read-only SELECT; and how to find it in a model's answer.

This check gives the clear message.  It is not the only guard: a kind of database opens its connections
read-only and refuses everything but reading.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from plugins.text2sql.databases.dialect import Dialect

MAX_STATEMENT_CHARACTERS = 20_000
MAX_TABLE_USES = 1_000

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
_FENCE = re.compile(r"```(?:\w+[ \t]*\n)?(.*?)(?:```|\Z)", re.DOTALL)
# Reasoning ends at the last closing tag; an unclosed one was cut by the token limit.
_THOUGHT = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL)
_START = re.compile(r"\b(?:select|with)\b", re.IGNORECASE)
_MAX_GUESSES = 40

# A statement that sqlglot can't parse is refused with our message; its warning would only repeat it.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class UnsafeSqlError(ValueError):
    """The text is not exactly one read-only SELECT; the message says why."""


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
    parsed = _parse(statement, dialect.name)
    if not parsed:
        raise UnsafeSqlError("there is no SQL statement; write one SELECT")
    if len(parsed) > 1:
        raise UnsafeSqlError(f"found {len(parsed)} statements; write exactly one SELECT")
    root = parsed[0]
    if not isinstance(root, exp.Select | exp.SetOperation):
        found = f"{_verb(root)} is not allowed" if isinstance(root, _WRITING) else "this is no SELECT"
        raise UnsafeSqlError(f"{found}; write one SELECT")
    for node in root.walk():
        if isinstance(node, _WRITING):
            raise UnsafeSqlError(f"{_verb(node)} inside a SELECT is not allowed")
        if isinstance(node, exp.Anonymous) and node.name.lower() in dialect.forbidden:
            raise UnsafeSqlError(f"the function {node.name} is not allowed")
    if _table_uses(root) > MAX_TABLE_USES:
        raise UnsafeSqlError("the CTEs use each other too often; use fewer")
    return statement.strip().rstrip("; \t\r\n")


def _parse(statement: str, dialect: str) -> list[exp.Expr]:
    """Return the parsed statements, leaving out empty ones."""
    try:
        parsed = sqlglot.parse(statement, read=dialect)
    except ParseError as error:
        first = error.errors[0]
        raise UnsafeSqlError(
            f"syntax error near {first['highlight']!r} (line {first['line']}, column {first['col']})"
        ) from error
    except SqlglotError as error:
        raise UnsafeSqlError(f"syntax error: {error}") from error
    except RecursionError as error:
        raise UnsafeSqlError("the statement is nested too deeply") from error
    return [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]


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


def extract_sql(text: str, dialect: Dialect) -> str:
    """Return the SQL statement in a model's free-text answer.

    It is looked for in the last fenced block that has a SELECT, or else in the whole text, and
    must pass :func:`check_select`.  Never raises: if there is none, the block or text is returned
    as it is, so that the check can say what is wrong with it.
    """
    answer = _THOUGHT.sub("", text).strip()
    blocks = [block.strip() for block in _FENCE.findall(answer) if _START.search(block)]
    guesses = [blocks[-1], *_guesses(blocks[-1])] if blocks else _guesses(answer)
    for guess in islice(guesses, _MAX_GUESSES):
        with suppress(UnsafeSqlError):
            return check_select(guess, dialect)
    return blocks[-1] if blocks else answer


def _guesses(text: str) -> Iterator[str]:
    """Yield the parts of ``text`` that may be a statement, likeliest first."""
    for start in _START.finditer(text):
        rest = text[start.start() :]
        for end in (";", "\n\n"):
            yield from (rest[: match.start()] for match in re.finditer(end, rest))
        lines = rest.splitlines()
        yield from ("\n".join(lines[:count]) for count in range(len(lines), 0, -1))
