"""MySQL's and MariaDB's connections: what the driver is told, the session's settings, rows one by one."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, TypeAlias

import pymysql
import sqlalchemy as sa
from pymysql.cursors import Cursor, SSCursor

from plugins.text2sql.databases.database import Limits, Rows, StatementError
from plugins.text2sql.databases.mysql.mysql_decoding import DECODING
from plugins.text2sql.databases.mysql.mysql_errors import NotConnectedError
from plugins.text2sql.databases.mysql.mysql_url import connecting
from plugins.text2sql.databases.relational.server_connections import (
    CANCEL_SECONDS,
    CONNECT_SECONDS,
    ServerConnections,
)

Connection: TypeAlias = "pymysql.Connection[Cursor]"
_BEYOND_SECONDS = 10.0
"""So long after its time limit, a server that has not ended a statement is given up."""
_CONNECTING: dict[str, Any] = {
    "conv": DECODING,
    "charset": "utf8mb4",
    "connect_timeout": CONNECT_SECONDS,
    "write_timeout": 10.0,
    "local_infile": False,
    "program_name": "sluice",
}
_UNBOUNDED = 2**32 - 1
_SETTINGS: dict[str, str | float] = {
    # Double quotes are texts and a backslash escapes, as the parser has it; stock - sold may be negative; a
    # column beside max() is an error, not the value of just any row.
    "sql_mode": "NO_UNSIGNED_SUBTRACTION,ONLY_FULL_GROUP_BY",
    "time_zone": "+00:00",
    "lock_wait_timeout": 2,
    "innodb_lock_wait_timeout": 2,
}
# A recursive query is bounded by its time: MariaDB would cut its rows without a word.
_OF_MARIADB: dict[str, str | float] = {
    "max_recursive_iterations": _UNBOUNDED,
    "tmp_disk_table_size": 2**31,
}
_OF_MYSQL: dict[str, str | float] = {
    "cte_max_recursion_depth": _UNBOUNDED,
    "information_schema_stats_expiry": 0,
}


def settings(mariadb: bool, limits: Limits) -> Mapping[str, str | float]:
    """Return what a session is set to."""
    # As many bytes as there can be in a value that is as long as it may be, so that none is cut.
    longest = {"group_concat_max_len": 4 * (limits.value_bytes + 1)}
    vendors = _OF_MARIADB if mariadb else _OF_MYSQL
    return {**_SETTINGS, **vendors, **longest, **_time_limit(mariadb, limits.seconds)}


class MysqlConnections(ServerConnections[Connection]):
    """Connections to the database at ``url``."""

    errors = pymysql.MySQLError

    def __init__(self, url: sa.URL, connections: int, limits: Limits, longest: float) -> None:
        """Make the pool; no statement, whatever its limit, may take more than ``longest`` seconds."""
        super().__init__(connections, limits.seconds)
        self._given = {**_CONNECTING, **connecting(url)}
        self._read_seconds = max(limits.seconds, longest) + _BEYOND_SECONDS
        self._limits = limits

    def connect(self) -> Connection:
        """Return a new connection, in a session that only reads."""
        try:
            connection: Connection = pymysql.connect(**self._given, read_timeout=self._read_seconds)
        except (pymysql.MySQLError, OSError, UnicodeError, RuntimeError) as error:
            # RuntimeError: a way to log in for which the driver lacks a package.
            raise NotConnectedError(*error.args) from error
        _assign(connection, settings(_is_mariadb(connection), self._limits))
        rows(connection, "SET SESSION TRANSACTION READ ONLY")
        return connection

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that only reads."""
        rows(connection, "START TRANSACTION READ ONLY")

    def limit(self, connection: Connection, seconds: float) -> None:
        """Set the variable of the vendor."""
        _assign(connection, _time_limit(_is_mariadb(connection), seconds))

    def cancel(self, connection: Any) -> None:
        """Ask the server over a connection of its own."""
        given = {**self._given, "connect_timeout": CANCEL_SECONDS, "read_timeout": CANCEL_SECONDS}
        with closing(pymysql.connect(**given)) as asking:
            rows(asking, "KILL QUERY %s", (connection.thread_id(),))

    def descriptor(self, connection: Any) -> int:
        """Return the descriptor of the socket."""
        found = connection._sock
        if found is None:
            raise sa.exc.DisconnectionError
        assert isinstance(found, socket.socket)
        return found.fileno()

    def is_open(self, connection: Connection) -> bool:
        """Whether the driver hasn't closed it."""
        return connection.open


def rows(
    connection: Connection, statement: str, parameters: Sequence[Any] | None = None
) -> tuple[tuple[Any, ...], ...]:
    """Return all rows of a statement that has few.

    Raises:
        pymysql.MySQLError: it has none.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return tuple(cursor.fetchall())


def answer(connection: Connection, statement: str, limits: Limits) -> Rows:
    """Return the rows of ``statement``, read one by one as far as ``limits`` allow.

    A connection with rows left to be read is closed: the server would send them all.  So is one on which
    something else than a SELECT ran, which may have changed its settings.

    Raises:
        pymysql.MySQLError: it has no rows.
        StatementError: it is no SELECT, or a value is too big.
    """
    cursor = connection.cursor(SSCursor)
    try:
        cursor.execute(statement)
        if cursor.description is None:
            raise StatementError("rejected", "this is no SELECT")
        columns = [column[0] for column in cursor.description]
        found = Rows.within(limits, columns, iter(cursor.fetchone, None))
    except BaseException:
        _abandon(connection)
        raise
    if found.truncated:
        _abandon(connection)
    cursor.close()
    return found


def _is_mariadb(connection: Any) -> bool:
    return "mariadb" in str(connection.get_server_info()).lower()


def _assign(connection: Connection, values: Mapping[str, str | float]) -> None:
    """Set variables of the session.

    Raises:
        pymysql.MySQLError: the server knows one of them not.
    """
    names = ", ".join(f"SESSION {name} = %s" for name in values)
    rows(connection, f"SET {names}", tuple(values.values()))


def _time_limit(mariadb: bool, seconds: float) -> dict[str, str | float]:
    if mariadb:
        return {"max_statement_time": seconds}
    return {"max_execution_time": max(1, round(seconds * 1000))}


def _abandon(connection: Any) -> None:
    """Close the connection without reading what the server still sends, as the driver would."""
    if connection._result is not None:
        connection._result.unbuffered_active = False
    connection._force_close()
