"""SQLite's SQL."""

from __future__ import annotations

import re

from sqlalchemy.dialects.sqlite.base import SQLiteIdentifierPreparer
from sqlglot import exp

from plugins.text2sql.databases.dialect import Dialect, called

_OWN = re.compile(r"sqlite_.*|pragma_.*|dbstat|bytecode|tables_used|fts3tokenize|fts[345]vocab|fts4aux")
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\*|\d{6})")


class SqliteDialect(Dialect):
    """SQLite's, whose virtual tables about itself have no schema of their own."""

    def owns(self, schema: str, table: str) -> bool:
        """Whether SQLite keeps ``table`` for itself, in whichever schema."""
        return _OWN.fullmatch(table.lower()) is not None

    def excessive(self, call: exp.Func) -> str | None:
        """Return what would keep SQLite inside one function: it fills a text beyond its limit to the end."""
        name = called(call)
        if name not in ("printf", "format"):
            return super().excessive(call)
        pattern = call.expressions[0] if isinstance(call, exp.Anonymous) and call.expressions else call.this
        if not isinstance(pattern, exp.Literal):
            return f"{name} with anything but a text as its pattern"
        return f"a width of {name} that is huge or computed" if _WIDE.search(pattern.name) else None


SQLITE = SqliteDialect(
    "sqlite",
    "SQLite",
    "Dates are text like 2025-01-31.",
    reserved=frozenset(SQLiteIdentifierPreparer.reserved_words) | {"nothing"},
    forbidden=frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}),
)

identifier, literal = SQLITE.identifier, SQLITE.literal
