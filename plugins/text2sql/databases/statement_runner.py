"""Where statements run: the port, and the simplest way, in the thread that asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from plugins.text2sql.databases.database import Database, Interruptible, Limits, Rows, StatementError


@dataclass(frozen=True, slots=True)
class Opening:
    """How a database is opened, here or in another process; the arguments of its kind."""

    kind: type[Database]
    address: str
    limits: Limits
    connections: int

    def __call__(self) -> Database:
        """Open it.

        Raises:
            ConfigError: it can't be opened and read.
        """
        return self.kind(self.address, self.limits, self.connections)


class StatementRunner(Protocol):
    """Runs checked statements; any thread may call it."""

    def run(self, opening: Opening, database: Database, statement: str, interruptible: Interruptible) -> Rows:
        """Run ``statement`` on the open ``database``, or on the same one opened elsewhere.

        Raises:
            StatementError: it gave no rows.
        """


class InThisThread:
    """Runs statements in the caller's thread: one that can't be interrupted keeps it."""

    def run(self, opening: Opening, database: Database, statement: str, interruptible: Interruptible) -> Rows:
        """Run ``statement`` on ``database``; see :class:`StatementRunner`."""
        return readable_rows(database, statement, interruptible)


def readable_rows(database: Database, statement: str, interruptible: Interruptible) -> Rows:
    """Run ``statement``; a value that its driver can't make for Python is the statement's error.

    Raises:
        StatementError: it gave no rows.
    """
    try:
        return database.run(statement, interruptible)
    except (ArithmeticError, MemoryError, RecursionError, ValueError) as error:
        message = f"the result can't be read: {str(error) or type(error).__name__}"
        raise StatementError("invalid", message) from error
