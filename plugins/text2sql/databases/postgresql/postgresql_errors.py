"""PostgreSQL's errors as the port's."""

from __future__ import annotations

import re
from typing import Literal

import psycopg
import sqlalchemy as sa

from plugins.text2sql.databases.database import StatementError, UnknownName
from plugins.text2sql.databases.relational.database_url import without_secrets

_UNKNOWN: tuple[tuple[str, Literal["table", "column"], re.Pattern[str]], ...] = (
    ("42P01", "table", re.compile(r'relation "(.+)" does not exist', re.DOTALL)),
    ("42703", "column", re.compile(r'column "?(.+?)"? does not exist', re.DOTALL)),
)
# By the class of the code: connection, rights of access, resources, locks, an operator's intervention, the
# system, PostgreSQL itself.
_UNAVAILABLE = ("08", "28", "3D", "53", "55P", "57", "58", "F0", "XX")
_REJECTED = ("25006", "42501")
_CANCELLED = "57014"


def line_of(error: BaseException, url: sa.URL) -> str:
    """Return the message of what the driver or SQLAlchemy raised, in one line and without the password."""
    cause = getattr(error, "orig", None) or error
    primary = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return without_secrets(primary or str(cause), url)


def explained(error: BaseException, url: sa.URL) -> StatementError:
    """Return what the driver raised as the port's error."""
    cause = getattr(error, "orig", None) or error
    message = line_of(cause, url)
    code = getattr(cause, "sqlstate", None) or ""
    if code == _CANCELLED:
        return StatementError("timeout" if "timeout" in message else "unavailable", message)
    if code in _REJECTED:
        return StatementError("rejected", message)
    if code.startswith(_UNAVAILABLE) or (not code and _is_of_connection(cause)):
        return StatementError("unavailable", message)
    hint = cause.diag.message_hint if isinstance(cause, psycopg.Error) else None
    for known, kind, pattern in _UNKNOWN:
        if code == known and (found := pattern.fullmatch(message)):
            return StatementError("invalid", message, UnknownName(kind, found[1].replace('"', "")))
    return StatementError("invalid", f"{message}; {without_secrets(hint, url)}" if hint else message)


def _is_of_connection(error: BaseException) -> bool:
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | sa.exc.SQLAlchemyError)
