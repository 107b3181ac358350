"""PostgreSQL's connections: what the driver is told, the session's settings, the types."""

from __future__ import annotations

from typing import Any, TypeAlias

import psycopg
import sqlalchemy as sa
from psycopg.types.string import TextLoader

from plugins.text2sql.databases.relational.server_connections import (
    CANCEL_SECONDS,
    CONNECT_SECONDS,
    ServerConnections,
)

Connection: TypeAlias = "psycopg.Connection[Any]"
_CONNECTING: dict[str, Any] = {
    "application_name": "sluice",
    "connect_timeout": CONNECT_SECONDS,
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


class PostgresqlConnections(ServerConnections[Connection]):
    """Connections to the database at ``url``."""

    errors = psycopg.Error

    def __init__(self, url: sa.URL, connections: int, seconds: float) -> None:
        super().__init__(connections, seconds)
        bare = url.set(drivername="postgresql+psycopg").difference_update_query(["options"])
        self._words, given = bare.get_dialect()().create_connect_args(bare)
        self._given: dict[str, Any] = {**_CONNECTING, **given}

    def connect(self) -> Connection:
        """Return a new connection, every transaction of which begins with BEGIN READ ONLY."""
        connection = psycopg.connect(*self._words, **self._given)
        for name in _AS_TEXT:
            connection.adapters.register_loader(name, TextLoader)
        for name in _MOMENTS:
            connection.adapters.register_loader(name, MomentLoader)
        for name in _RANGES:
            connection.adapters.register_loader(f"{name}range", TextLoader)
            connection.adapters.register_loader(f"{name}multirange", TextLoader)
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        for name, value in _SETTINGS.items():
            _assign(connection, name, value)
        self.limit(connection, self._seconds)
        connection.read_only = True
        return connection

    def begin(self, connection: Connection) -> None:
        """Do nothing: the driver begins a transaction with the first statement."""

    def limit(self, connection: Connection, seconds: float) -> None:
        """Set ``statement_timeout``."""
        _assign(connection, "statement_timeout", f"{max(1, round(seconds * 1000))}ms")
        connection.commit()

    def cancel(self, connection: Connection) -> None:
        """Ask the server to end the statement, as libpq does."""
        connection.cancel_safe(timeout=CANCEL_SECONDS)

    def descriptor(self, connection: Connection) -> int:
        """Return the descriptor of the socket."""
        return connection.fileno()

    def is_open(self, connection: Connection) -> bool:
        """Whether the driver hasn't closed it."""
        return not connection.closed


def _assign(connection: Connection, name: str, value: str) -> None:
    connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
