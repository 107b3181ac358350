"""SQLite's errors as the port's."""

from __future__ import annotations

import re
import sqlite3
from typing import Literal, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from plugins.text2sql.databases.database import StatementError, UnknownName

_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
_UNKNOWN = re.compile("no such (table|column): (.*)", re.DOTALL)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the file, not the statement, is at fault."""
    return _code(error) in _UNAVAILABLE


def explained(error: Exception) -> StatementError:
    """Return what SQLite or its driver raised as the port's error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, MemoryError):
        return StatementError("invalid", "the statement takes too much memory")
    message = str(cause)
    if is_unavailable(cause) or isinstance(cause, sa.exc.TimeoutError):
        return StatementError("unavailable", message)
    found = _UNKNOWN.fullmatch(message)
    unknown = UnknownName(cast(Literal["table", "column"], found[1]), found[2]) if found else None
    return StatementError("rejected" if _code(cause) == sqlite3.SQLITE_AUTH else "invalid", message, unknown)


def _code(error: BaseException | None) -> int:
    """Return SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
