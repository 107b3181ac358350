"""SQLite's SQL."""

from __future__ import annotations

from sqlalchemy.dialects.sqlite.base import SQLiteIdentifierPreparer

from plugins.text2sql.databases.dialect import Dialect

SQLITE = Dialect(
    "sqlite",
    "SQLite",
    "Dates are text like 2025-01-31.",
    reserved=frozenset(SQLiteIdentifierPreparer.reserved_words) | {"nothing"},
    forbidden=frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}),
)

identifier, literal = SQLITE.identifier, SQLITE.literal
