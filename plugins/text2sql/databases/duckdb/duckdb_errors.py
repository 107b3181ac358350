"""DuckDB's errors as the port's."""

from __future__ import annotations

import re
from typing import Literal

import duckdb

from plugins.text2sql.databases.database import StatementError, UnknownName

_UNKNOWN: tuple[tuple[Literal["table", "column"], re.Pattern[str]], ...] = (
    ("table", re.compile(r'Table with name "?(.+?)"? does not exist')),
    ("column", re.compile(r'Referenced column "(.+?)" not found')),
    ("column", re.compile(r'Table ".+?" does not have a column named "(.+?)"')),
)
_UNAVAILABLE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.ConnectionException,
    duckdb.InternalException,
)


def explained(error: Exception) -> StatementError:
    """Return what DuckDB raised as the port's error; its guesses at names that it knows are left out.

    Those name what DuckDB keeps for itself, too.
    """
    message = str(error).partition("\n")[0].strip()
    if isinstance(error, duckdb.InterruptException):
        return StatementError("unavailable", "the statement was interrupted")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StatementError("invalid", f"the statement takes too much memory: {message}")
    if isinstance(error, _UNAVAILABLE):
        return StatementError("unavailable", message)
    if isinstance(error, duckdb.PermissionException):
        return StatementError("rejected", message)
    for kind, pattern in _UNKNOWN:
        if found := pattern.search(message):
            return StatementError("invalid", message, UnknownName(kind, found[1]))
    return StatementError("invalid", message)
