"""Connections to PostgreSQL that only read, within time limits that the server keeps."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.string import TextLoader

from plugins.text2sql.databases.relational.interrupting import Interrupter

POOL_SECONDS = 1.0
_SPARE = 2
"""Connections beside those of statements, for look-ups and the reading of the schema."""
_CANCEL_SECONDS = 2.0
_CONNECTING: dict[str, Any] = {
    "application_name": "sluice",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "prepare_threshold": None,
}
_SETTINGS = {
    "default_transaction_read_only": "on",
    "search_path": "public",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "standard_conforming_strings": "on",
    "row_security": "on",
    "cursor_tuple_fraction": "1",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "60s",
}
# Python's types for these know less than PostgreSQL's: no infinity, no months, no years before Christ.
_AS_TEXT = ("date", "time", "timetz", "interval", "uuid", "inet", "cidr")
_MOMENTS = ("timestamp", "timestamptz")
_RANGES = ("int4", "int8", "num", "ts", "tstz", "date")


class MomentLoader(TextLoader):
    """A timestamp as PostgreSQL writes it, made ISO 8601: ``2025-01-31T08:30:00+00:00``."""

    def load(self, data: Any) -> str:
        """Return the text of a timestamp."""
        text = str(super().load(data)).replace(" ", "T", 1)
        return f"{text}:00" if text[-3:-2] in ("+", "-") and ":" in text else text


def open_engine(url: sa.URL, connections: int, seconds: float) -> sa.Engine:
    """Return an engine of connections whose transactions only read, and end after ``seconds``.

    Nothing is connected yet.  A connection that has died meanwhile is replaced when it is asked for.
    """
    given = {name: value for name, value in _CONNECTING.items() if name not in url.query}
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
        pool_size=connections + _SPARE,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        connect_args=given,
    )
    settings = _SETTINGS | {"statement_timeout": f"{max(1, round(seconds * 1000))}ms"}

    @sa.event.listens_for(engine, "connect")
    def _restrict(connection: psycopg.Connection[Any], _record: object) -> None:
        for name in _AS_TEXT:
            connection.adapters.register_loader(name, TextLoader)
        for name in _MOMENTS:
            connection.adapters.register_loader(name, MomentLoader)
        for name in _RANGES:
            connection.adapters.register_loader(f"{name}range", TextLoader)
            connection.adapters.register_loader(f"{name}multirange", TextLoader)
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        for name, value in settings.items():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
        connection.commit()
        # From now on every transaction begins with BEGIN READ ONLY.
        connection.read_only = True

    @sa.event.listens_for(engine, "checkout")
    def _still_there(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
        # A server that ended has closed its end.  Unlike a question to it, a look at the socket never waits.
        look = select.poll()
        look.register(connection.fileno(), select.POLLIN)
        if look.poll(0):
            raise sa.exc.DisconnectionError

    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[tuple[psycopg.Connection[Any], Interrupter]]:
    """Open a read-only transaction; the interrupter ends what runs in it.

    A connection that was interrupted is closed, so that a late request can't hit the next statement.

    Raises:
        psycopg.Error, sqlalchemy.exc.SQLAlchemyError: there is no connection.
    """
    pooled = engine.raw_connection()
    connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
    interrupter = Interrupter(
        lambda: connection.cancel_safe(timeout=_CANCEL_SECONDS), lambda: _sever(connection)
    )
    try:
        yield connection, interrupter
    finally:
        if interrupter.used:
            pooled.invalidate()
        else:
            pooled.close()


def _sever(connection: psycopg.Connection[Any]) -> None:
    """Shut the connection's socket, which wakes the thread that waits for it."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
