"""How a kind of database writes names and values in SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import sqlglot
from sqlglot import TokenType, exp

_WORD = re.compile(r"[a-z_][a-z0-9_]*")

MAX_REPEATED = 1_000_000
"""How long the result of a function that repeats or pads may be made by a number in the statement."""
_GROWING = frozenset(
    {"repeat", "pad", "lpad", "rpad", "list_resize", "array_resize", "bitstring", "array_fill"}
)

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Dialect:
    """A dialect of SQL, by sqlglot's name for it; ``""`` is what most databases understand.

    ``title`` is what prompts call it, and ``dates`` what they say about dates in it.
    ``reserved`` are words that sqlglot takes bare but the database doesn't, in small letters.
    ``forbidden`` are functions that a SELECT may not call since they reach beyond the data, in small letters.
    Where a whole family of functions may not be called, derive a class and override :meth:`forbids`; where a
    text needs other quotes or escapes than standard SQL's, :meth:`literal`.
    A database with schemas has a ``default_schema``: its tables are known by their names, those of another
    one as ``schema.table``.  What the database keeps for itself no statement may name: tables of its
    ``own_schemas``, and without a schema those that begin with one of ``own_tables``, all in small letters.
    """

    name: str = ""
    title: str = "SQL"
    dates: str = "Write dates like '2025-01-31'."
    reserved: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    default_schema: str = ""
    own_schemas: frozenset[str] = frozenset()
    own_tables: tuple[str, ...] = ()

    def identifier(self, name: str) -> str:
        """Return ``name`` as SQL, quoted unless it is in small letters and the parsers take it bare."""
        # Looked up rather than tokenised: a schema may have ten thousand columns.
        means = _keywords(self.name).get(name.upper(), TokenType.VAR)
        if means == TokenType.VAR and name not in self.reserved and _WORD.fullmatch(name):
            return name
        return exp.to_identifier(name, quoted=True).sql(dialect=self.name)

    def table(self, name: str) -> str:
        """Return the table known by ``name`` as SQL, with its schema where that isn't the default one."""
        if not self.default_schema:
            return self.identifier(name)
        return ".".join(map(self.identifier, name.split(".", 1)))

    def known_as(self, schema: str, table: str) -> str:
        """Return the name by which a table is known; ``schema`` may be empty and has no dot."""
        if not self.default_schema or (schema.lower() in ("", self.default_schema) and "." not in table):
            return table
        return f"{schema or self.default_schema}.{table}"

    def owns(self, schema: str, table: str) -> bool:
        """Whether the database keeps ``table`` for itself; ``schema`` may be empty."""
        bare = table.lower() if schema.lower() in ("", self.default_schema) else ""
        return schema.lower() in self.own_schemas or bare.startswith(self.own_tables)

    def forbids(self, function: str) -> bool:
        """Whether no SELECT may call ``function``, a name in small letters."""
        return function in self.forbidden

    def excessive(self, call: exp.Func) -> str | None:
        """Return what in ``call`` would make a huge value in one step, which nothing interrupts."""
        name = called(call)
        return f"{name} by more than {MAX_REPEATED}" if name in _GROWING and has_huge_number(call) else None

    def refuses(self, node: exp.Expr) -> str | None:
        """Return what ``node`` of a SELECT would do beyond reading in this database; ``None`` if nothing."""
        return None

    def misread(self, statement: str) -> str | None:
        """Return what in ``statement`` the parser of the check reads otherwise than the database."""
        return None

    def literal(self, value: Value) -> str:
        """Return ``value`` as an SQL literal."""
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


STANDARD = Dialect()


@cache
def _keywords(dialect: str) -> Mapping[str, TokenType]:
    """Return the words that sqlglot's tokenizer takes for more than names, in capitals."""
    return sqlglot.Dialect.get_or_raise(dialect).tokenizer_class.KEYWORDS


def called(call: exp.Func) -> str:
    """Return the name of the function, in small letters."""
    return (call.name if isinstance(call, exp.Anonymous) else call.sql_names()[0]).lower()


def has_huge_number(call: exp.Func) -> bool:
    """Whether a number beyond ``MAX_REPEATED`` stands among the arguments."""
    numbers = [child for child in call.iter_expressions() if isinstance(child, exp.Literal)]
    return any(number.is_number and float(number.name) > MAX_REPEATED for number in numbers)
