"""How a kind of database writes names and values in SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import TokenType, exp, tokenize

_WORD = re.compile(r"[a-z_][a-z0-9_]*")

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Dialect:
    """A dialect of SQL, by sqlglot's name for it; ``""`` is what most databases understand.

    ``reserved`` are words that sqlglot takes bare but the database doesn't, in small letters.
    ``forbidden`` are functions that a SELECT may not call since they reach beyond the data, in small letters.
    Where a text needs other quotes or escapes than standard SQL's, derive a class and override
    :meth:`literal`.
    """

    name: str = ""
    reserved: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()

    def identifier(self, name: str) -> str:
        """Return ``name`` as SQL, quoted unless it is in small letters and the parsers take it bare."""
        return _identifier(self, name)

    def literal(self, value: Value) -> str:
        """Return ``value`` as an SQL literal."""
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


STANDARD = Dialect()


@lru_cache(maxsize=4096)
def _identifier(dialect: Dialect, name: str) -> str:
    if _WORD.fullmatch(name) and name not in dialect.reserved:
        tokens = tokenize(name, read=dialect.name)
        if tokens[0].token_type == TokenType.VAR:
            return name
    return exp.to_identifier(name, quoted=True).sql(dialect=dialect.name)
