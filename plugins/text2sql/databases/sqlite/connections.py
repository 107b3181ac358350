"""SQLite connections that can only read, within limits that really stop work."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from plugins.text2sql.databases.database import Limits
from plugins.text2sql.databases.sqlite.sqlite_dialect import identifier

_POOL_SECONDS = 1.0
_BUSY_SECONDS = 0.2
_MAX_PATTERN_BYTES = 1_000
_READING = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
)
# SQLAlchemy implements REGEXP in Python, where a bad pattern would hold the interpreter lock for ever;
# fts3_tokenizer takes the address of code from a statement.
_FORBIDDEN_FUNCTIONS = ("load_extension", "regexp", "fts3_tokenizer")
_HEAP_BYTES = 1 << 30
"""What all of this process's SQLite may take: SQLite has no limit for a single connection."""


def open_read_only(path: Path, connections: int, *, overflow: bool = False) -> sa.Engine:
    """Return an engine of ``connections`` that may move between threads but not write.

    With ``overflow`` further ones are opened where these don't suffice, and closed after their use.
    """
    url = sa.URL.create(
        "sqlite+pysqlite",
        database=f"file:{quote(str(path.resolve()))}",
        query={"mode": "ro", "uri": "true"},
    )
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=connections,
        max_overflow=-1 if overflow else 0,
        pool_timeout=_POOL_SECONDS,
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def _lenient_text(connection: sqlite3.Connection, _record: object) -> None:
        # Databases in the wild hold text that isn't UTF-8; one bad value shouldn't fail a statement.
        connection.text_factory = lambda raw: raw.decode(errors="replace")

    return engine


class OpenedFile:
    """A file that is read beside the statements, for what they may not do, such as looking at its schema.

    A connection reads the whole schema when it is first used, so one is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened_as: tuple[int, int] | None = None
        self._engine: sa.Engine | None = None

    def engine(self) -> sa.Engine:
        """Return an engine on the file that lies at the path now.

        Raises:
            OSError: there is none.
        """
        stat = self._path.stat()
        there = (stat.st_dev, stat.st_ino)
        with self._lock:
            if self._engine is None or there != self._opened_as:
                if self._engine is not None:
                    self._engine.dispose()
                self._engine, self._opened_as = open_read_only(self._path, 1, overflow=True), there
            return self._engine

    def close(self) -> None:
        """Close the file; :meth:`engine` opens it again."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


def guard(engine: sa.Engine, limits: Limits) -> None:
    """Take from the connections of ``engine`` all that a SELECT within ``limits`` doesn't need."""

    @sa.event.listens_for(engine, "connect")
    def _restrict(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA hard_heap_limit = {_HEAP_BYTES}")
        # Otherwise what is sorted would go to files, which nothing limits.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.value_bytes)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _MAX_PATTERN_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        _set_up_virtual_tables(connection)
        connection.set_authorizer(_authorize)


def _set_up_virtual_tables(connection: sqlite3.Connection) -> None:
    """Use every virtual table once: its first use does what the authorizer would refuse."""
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")
    virtual = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL %'"
    for (name,) in connection.execute(virtual).fetchall():
        with suppress(sqlite3.Error):  # it has no such module; statements on it fail by themselves
            connection.execute(f"SELECT 1 FROM {identifier(name)} LIMIT 1").fetchall()


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    allowed = action in _READING and str(second).lower() not in _FORBIDDEN_FUNCTIONS
    # Full-text search asks whether the file has changed.
    allowed |= (action, first, second) == (sqlite3.SQLITE_PRAGMA, "data_version", None)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
