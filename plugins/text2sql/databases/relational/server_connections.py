"""Connections to a server that only read, within time limits that the server keeps."""

from __future__ import annotations

import os
import select
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from plugins.text2sql.databases.relational.interrupting import Interrupter

POOL_SECONDS = 1.0
CONNECT_SECONDS = 5
CANCEL_SECONDS = 2
_SPARE = 2
"""Connections beside those of statements, for look-ups and the reading of the schema."""


class Transactional(Protocol):
    """What the connections of all drivers have."""

    def rollback(self) -> object:
        """End the transaction."""


C = TypeVar("C", bound=Transactional)


class ServerConnections(ABC, Generic[C]):
    """A pool of connections whose transactions only read, and end after ``seconds`` at most.

    Nothing is connected before it is needed.  A connection that has died meanwhile is replaced when it is
    asked for.  A kind derives from it what its driver does in a way of its own.
    """

    errors: ClassVar[type[Exception]]
    """What the driver raises."""

    def __init__(self, connections: int, seconds: float) -> None:
        self._seconds = seconds
        connect = cast(Callable[[], Any], self.connect)
        self._pool = QueuePool(connect, pool_size=connections + _SPARE, max_overflow=0, timeout=POOL_SECONDS)
        sa.event.listen(self._pool, "checkout", self._still_there)

    @abstractmethod
    def connect(self) -> C:
        """Return a new connection that can only read, with the time limit of statements.

        Raises:
            ``errors``: there is none.
        """

    @abstractmethod
    def begin(self, connection: C) -> None:
        """Begin a transaction that only reads, unless the next statement does so by itself."""

    @abstractmethod
    def limit(self, connection: C, seconds: float) -> None:
        """Have the server end each statement of ``connection``, in no transaction, after ``seconds``."""

    @abstractmethod
    def cancel(self, connection: C) -> None:
        """Ask the server to end what runs on ``connection``; takes at most ``CANCEL_SECONDS``."""

    @abstractmethod
    def descriptor(self, connection: C) -> int:
        """Return the descriptor of the connection's socket.

        Raises:
            Exception: it is closed.
        """

    @abstractmethod
    def is_open(self, connection: C) -> bool:
        """Whether the connection is neither closed nor known to be lost."""

    @contextmanager
    def transaction(self, seconds: float | None = None) -> Iterator[tuple[C, Interrupter]]:
        """Open a read-only transaction; the interrupter ends what runs in it.

        ``seconds`` is the time limit of each statement inside, if not the one of all.  A connection that was
        interrupted is closed, so that a late request can't hit the next statement.

        Raises:
            ``errors``, sqlalchemy.exc.SQLAlchemyError: there is no connection.
        """
        pooled = self._pool.connect()
        connection = cast(C, pooled.dbapi_connection)
        interrupter = Interrupter(lambda: self.cancel(connection), lambda: self._sever(connection))
        try:
            if seconds is not None:
                self.limit(connection, seconds)
            self.begin(connection)
            yield connection, interrupter
        finally:
            if not interrupter.used and self._is_as_before(connection, seconds is not None):
                pooled.close()
            else:
                pooled.invalidate()

    def close(self) -> None:
        """Close the connections that nothing runs on."""
        self._pool.dispose()

    def _is_as_before(self, connection: C, limited: bool) -> bool:
        """Give the connection its time limit back; return whether it can be used again."""
        if limited and self.is_open(connection):
            try:
                connection.rollback()
                self.limit(connection, self._seconds)
            except self.errors:
                return False
        return self.is_open(connection)

    def _still_there(self, connection: C, _record: object, _proxy: object) -> None:
        # A server that ended has closed its end.  Unlike a question to it, a look at the socket never waits.
        look = select.poll()
        look.register(self.descriptor(connection), select.POLLIN)
        if look.poll(0):
            raise sa.exc.DisconnectionError

    def _sever(self, connection: C) -> None:
        """Shut the connection's socket, which wakes the thread that waits for it."""
        with socket.socket(fileno=os.dup(self.descriptor(connection))) as line:
            line.shutdown(socket.SHUT_RDWR)
