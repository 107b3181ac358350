"""One read-only SQLite connection and one statement on it, with limits that really stop work."""

from __future__ import annotations

import math
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from sched.clock import Clock
from sched.workflow import SqlResult

_POOL_SECONDS = 1.0
_BUSY_SECONDS = 0.2
_MAX_COLUMNS = 500
_MAX_PATTERN_BYTES = 1_000
_READING = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
)
# SQLAlchemy implements REGEXP in Python, where a bad pattern would hold the interpreter lock for ever.
_FORBIDDEN_FUNCTIONS = ("load_extension", "regexp")
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may return: rows, bytes of all rows, bytes of any one value."""

    rows: int
    bytes: int
    value_bytes: int


def open_read_only(path: Path, connections: int) -> sa.Engine:
    """Return an engine of at most ``connections`` that may move between threads but not write."""
    url = sa.URL.create(
        "sqlite+pysqlite",
        database=f"file:{quote(str(path.resolve()))}",
        query={"mode": "ro", "uri": "true"},
    )
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def _lenient_text(connection: sqlite3.Connection, _record: object) -> None:
        # Databases in the wild hold text that isn't UTF-8; one bad value shouldn't fail a statement.
        connection.text_factory = lambda raw: raw.decode(errors="replace")

    return engine


def guard(engine: sa.Engine, limits: Limits) -> None:
    """Take from the connections of ``engine`` all that a SELECT within ``limits`` doesn't need."""

    @sa.event.listens_for(engine, "connect")
    def _restrict(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.value_bytes)
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, _MAX_COLUMNS)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _MAX_PATTERN_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        # SQLite sets up these table functions at their first use, which the authorizer would refuse.
        connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")
        connection.set_authorizer(_authorize)


def _authorize(action: int, _first: str | None, second: str | None, *_: str | None) -> int:
    allowed = action in _READING and str(second).lower() not in _FORBIDDEN_FUNCTIONS
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


class Statement:
    """One statement, run in a thread of the pool, timed by ``clock`` and stoppable from other threads."""

    def __init__(self, engine: sa.Engine, statement: str, limits: Limits, clock: Clock) -> None:
        self._engine = engine
        self._statement = statement
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._stopped: tuple[str, str] | None = None

    def failed(self, error_kind: str, error: str, seconds: float = 0.0) -> SqlResult:
        """Return the result of a statement that gave no rows."""
        return SqlResult(self._statement, seconds=seconds, error=error, error_kind=error_kind)

    def stop(self, error_kind: str, reason: str) -> None:
        """Interrupt the statement, or keep it from starting; the first reason given is reported."""
        with self._lock:
            self._stopped = self._stopped or (error_kind, reason)
            if self._connection is not None:
                self._connection.interrupt()

    def run(self) -> SqlResult:
        """Check and run the statement."""
        try:
            statement = check_select(self._statement)
        except UnsafeSqlError as error:
            return self.failed("rejected", str(error))
        started = self._clock()
        try:
            with self._engine.connect() as connection:
                self._attach(connection.connection.driver_connection)
                try:
                    columns, rows, truncated = self._fetch(connection, statement)
                finally:
                    self._attach(None)
        except (SQLAlchemyError, sqlite3.Error, sqlite3.Warning, ValueError) as error:
            kind, message = self._stopped or _explain(error)
            return self.failed(kind, message, self._clock() - started)
        seconds = self._clock() - started
        return SqlResult(self._statement, columns, rows, truncated, seconds)

    def _attach(self, connection: Any) -> None:
        """Say which connection an interrupt is for; ``None`` once the statement is over."""
        with self._lock:
            self._connection = connection
            if connection is not None and self._stopped is not None:
                raise sqlite3.OperationalError("interrupted")

    def _fetch(
        self, connection: sa.Connection, statement: str
    ) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...], bool]:
        """Return the columns, the rows within the limits and whether there were more."""
        options = connection.execution_options(sqlite_raw_colnames=True)
        rows: list[tuple[Any, ...]] = []
        size = 0
        with options.exec_driver_sql(statement) as result:
            columns = tuple(result.keys())
            for row in result:
                values = tuple(map(_plain, row))
                size += sum(len(value) if isinstance(value, str) else 8 for value in values)
                if len(rows) == self._limits.rows or size > self._limits.bytes:
                    return columns, tuple(rows), True
                rows.append(values)
        return columns, tuple(rows), False


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: bytes in hexadecimal, infinities as text."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _explain(error: Exception) -> tuple[str, str]:
    """Return the error kind and message for what the database or its driver raised."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in _UNAVAILABLE or isinstance(cause, sa.exc.TimeoutError):
        return "unavailable", str(cause)
    return ("rejected" if code == sqlite3.SQLITE_AUTH else "invalid"), str(cause)
