"""MySQL's and MariaDB's errors as the port's."""

from __future__ import annotations

import re
from typing import Literal

import pymysql
import sqlalchemy as sa

from plugins.text2sql.databases.database import StatementError, UnknownName
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.relational.database_url import without_secrets

INVALID_VIEW = 1356
TIMEOUTS = (1969, 3024)
_DENIED_TABLE = (1142, 1143)
# No right to it, a transaction that only reads, an option of the server that prevents it.
_REJECTED = (1044, 1227, 1290, 1370, 1792, *_DENIED_TABLE)
# Interrupted, too many connections, no memory, no disk, shutting down, locks held by others, a user's
# limits, and all of the driver's own from 2000 on.
_UNAVAILABLE = (1021, 1037, 1038, 1040, 1041, 1053, 1203, 1205, 1213, 1226, 1317, 1927)
_CLIENT = range(2000, 3000)
_UNKNOWN: dict[int, tuple[Literal["table", "column"], re.Pattern[str]]] = {
    1054: ("column", re.compile(r"Unknown column '(.+)' in ", re.DOTALL)),
    1146: ("table", re.compile(r"Table '(.+)' doesn't exist", re.DOTALL)),
}
_REMEDIES = {
    # MariaDB doesn't know what depends on a key.
    1055: "group by each column that is shown, or aggregate it",
    1140: "aggregate each column, or take one row with ORDER BY and LIMIT 1",
}
_DENIED = re.compile(r"SELECT command denied to user .* for (?:column '.+' in )?table [`'](?P<table>.+)[`']")


class NotConnectedError(pymysql.OperationalError):
    """The server can't be reached, or doesn't let the user in."""


def code_of(error: BaseException) -> int:
    """Return the server's or driver's number of an error, 0 if it has none."""
    code = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else 0
    return code if isinstance(code, int) else 0


def line_of(error: BaseException, url: sa.URL) -> str:
    """Return the message of what the driver or SQLAlchemy raised, in one line and without the password."""
    known = code_of(error) and len(error.args) > 1
    return without_secrets(str(error.args[1] if known else error), url)


def explained(error: BaseException, url: sa.URL, dialect: Dialect) -> StatementError:
    """Return what the driver raised as the port's error."""
    code, message = code_of(error), line_of(error, url)
    if isinstance(error, NotConnectedError) or not code or code in _CLIENT or code in _UNAVAILABLE:
        return StatementError("unavailable", message)
    if code in TIMEOUTS:
        return StatementError("timeout", message)
    if code in _REJECTED:
        # The server says so of tables that aren't there, too, to a user who may not read all of them.
        table = _table(found["table"], dialect) if (found := _DENIED.fullmatch(message)) else ""
        if code in _DENIED_TABLE and table:
            text = f"there is no table {table} that may be read"
            return StatementError("invalid", text, UnknownName("table", table))
        return StatementError("rejected", message)
    if code in _UNKNOWN:
        kind, pattern = _UNKNOWN[code]
        if found := pattern.match(message):
            name = _table(found[1], dialect) if kind == "table" else found[1]
            return StatementError("invalid", message, UnknownName(kind, name))
    remedy = _REMEDIES.get(code)
    return StatementError("invalid", f"{message}; {remedy}" if remedy else message)


def _table(name: str, dialect: Dialect) -> str:
    """Return the name by which a table is known that a message calls ``database.table``."""
    schema, dot, table = name.replace("`", "").partition(".")
    return dialect.known_as(schema, table) if dot else schema
