"""Connections to MySQL and MariaDB that only read, within time limits that the server keeps."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeAlias, cast

import pymysql
import sqlalchemy as sa
from pymysql.cursors import Cursor, SSCursor
from sqlalchemy.pool import QueuePool

from plugins.text2sql.databases.database import Limits, Rows, StatementError
from plugins.text2sql.databases.mysql.mysql_decoding import DECODING
from plugins.text2sql.databases.mysql.mysql_errors import NotConnectedError
from plugins.text2sql.databases.mysql.mysql_url import connecting
from plugins.text2sql.databases.relational.interrupting import Interrupter

POOL_SECONDS = 1.0
Connection: TypeAlias = "pymysql.Connection[Cursor]"
_SPARE = 2
"""Connections beside those of statements, for look-ups and the reading of the schema."""
_CANCEL_SECONDS = 2
_BEYOND_SECONDS = 10.0
"""So long after its time limit, a server that has not ended a statement is given up."""
_CONNECTING: dict[str, Any] = {
    "conv": DECODING,
    "charset": "utf8mb4",
    "connect_timeout": 5,
    "write_timeout": 10.0,
    "local_infile": False,
    "program_name": "sluice",
}
_UNBOUNDED = 2**32 - 1
_SETTINGS: dict[str, str | float] = {
    # Double quotes are texts and a backslash escapes, as the parser has it; stock - sold may be negative.
    "sql_mode": "NO_UNSIGNED_SUBTRACTION",
    "time_zone": "+00:00",
    "lock_wait_timeout": 2,
    "innodb_lock_wait_timeout": 2,
}
# A recursive query is bounded by its time: MariaDB would cut its rows without a word.
_OF_MARIADB: dict[str, str | float] = {
    "max_recursive_iterations": _UNBOUNDED,
    "tmp_disk_table_size": 2**31,
}
# MySQL knows what depends on a key in GROUP BY; MariaDB, whose default is another, doesn't.
_OF_MYSQL: dict[str, str | float] = {
    "sql_mode": "NO_UNSIGNED_SUBTRACTION,ONLY_FULL_GROUP_BY",
    "cte_max_recursion_depth": _UNBOUNDED,
    "information_schema_stats_expiry": 0,
}


def settings(mariadb: bool, limits: Limits) -> Mapping[str, str | float]:
    """Return what a session is set to."""
    # As many bytes as there can be in a value that is as long as it may be, so that none is cut.
    longest = {"group_concat_max_len": 4 * (limits.value_bytes + 1)}
    vendors = _OF_MARIADB if mariadb else _OF_MYSQL
    return {**_SETTINGS, **vendors, **longest, **_time_limit(mariadb, limits.seconds)}


def open_pool(url: sa.URL, connections: int, limits: Limits) -> QueuePool:
    """Return a pool of connections whose transactions only read, and end after ``limits.seconds``.

    Nothing is connected yet.  A connection that has died meanwhile is replaced when it is asked for.
    """
    given = {**_CONNECTING, **connecting(url), "read_timeout": limits.seconds + _BEYOND_SECONDS}

    def connect() -> Connection:
        try:
            connection: Connection = pymysql.connect(**given)
        except (pymysql.MySQLError, OSError, UnicodeError, RuntimeError) as error:
            # RuntimeError: a way to log in for which the driver lacks a package.
            raise NotConnectedError(*error.args) from error
        assign(connection, settings(is_mariadb(connection), limits))
        rows(connection, "SET SESSION TRANSACTION READ ONLY")
        return connection

    pool = QueuePool(cast(Any, connect), pool_size=connections + _SPARE, max_overflow=0, timeout=POOL_SECONDS)

    @sa.event.listens_for(pool, "checkout")
    def _still_there(connection: Any, _record: object, _proxy: object) -> None:
        # A server that ended has closed its end.  Unlike a question to it, a look at the socket never waits.
        look = select.poll()
        look.register(_socket(connection).fileno(), select.POLLIN)
        if look.poll(0):
            raise sa.exc.DisconnectionError

    return pool


@contextmanager
def transaction(pool: QueuePool, url: sa.URL) -> Iterator[tuple[Connection, Interrupter]]:
    """Open a read-only transaction; the interrupter ends what runs in it.

    A connection that was interrupted is closed, so that a late request can't hit the next statement.

    Raises:
        pymysql.MySQLError, sqlalchemy.exc.SQLAlchemyError: there is no connection.
    """
    pooled = pool.connect()
    connection: Connection = pooled.dbapi_connection  # type: ignore[assignment]
    interrupter = Interrupter(lambda: _kill(connection, url), lambda: _sever(connection))
    try:
        rows(connection, "START TRANSACTION READ ONLY")
        yield connection, interrupter
    finally:
        if interrupter.used or not connection.open:
            pooled.invalidate()
        else:
            pooled.close()


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


@contextmanager
def time_limited(connection: Connection, seconds: float, limits: Limits) -> Iterator[None]:
    """Have the server end every statement inside after ``seconds`` instead of ``limits.seconds``."""
    mariadb = is_mariadb(connection)
    assign(connection, _time_limit(mariadb, seconds))
    try:
        yield
    finally:
        if connection.open:
            assign(connection, _time_limit(mariadb, limits.seconds))


def is_mariadb(connection: Any) -> bool:
    """Whether the server is MariaDB."""
    return "mariadb" in str(connection.get_server_info()).lower()


def assign(connection: Connection, values: Mapping[str, str | float]) -> None:
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


def _kill(busy: Any, url: sa.URL) -> None:
    """Ask the server, over a connection of its own, to end what runs on the ``busy`` one."""
    given = {**_CONNECTING, **connecting(url), "connect_timeout": _CANCEL_SECONDS}
    with closing(pymysql.connect(**given, read_timeout=_CANCEL_SECONDS)) as connection:
        rows(connection, "KILL QUERY %s", (busy.thread_id(),))


def _socket(connection: Any) -> socket.socket:
    found = connection._sock
    if found is None:
        raise sa.exc.DisconnectionError
    assert isinstance(found, socket.socket)
    return found


def _sever(connection: Connection) -> None:
    """Shut the connection's socket, which wakes the thread that waits for it."""
    _socket(connection).shutdown(socket.SHUT_RDWR)


def _abandon(connection: Any) -> None:
    """Close the connection without reading what the server still sends, as the driver would."""
    if connection._result is not None:
        connection._result.unbuffered_active = False
    connection._force_close()
