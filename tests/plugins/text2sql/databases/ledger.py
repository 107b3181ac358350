"""A kind of database for tests: a table that exists in this file only, asked in MySQL's dialect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from plugins.text2sql.databases.database import (
    ColumnValues,
    Database,
    Interruptible,
    Limits,
    Rows,
    StatementError,
    ValueSpan,
)
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from sched.errors import ConfigError
from tests.plugins.text2sql.databases.running_statements import GUARD

VALUES = ("Rent", "Travel", "O'Hara Goods", "2024-01-01", 5)
SLOW = "SELECT sleep(1000)"
WRONG = "SELECT no_such_column"


class Ledger(Database):
    """``ledger://…``: the table ``entries`` with a column ``desc``, whose name needs quotes."""

    dialect = Dialect("mysql", forbidden=frozenset({"load_file"}))

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        if address.endswith("/locked"):
            raise ConfigError("the ledger is locked")
        self._limits = limits
        self.given = (address, connections)
        self.closed = False

    def introspect(self) -> DatabaseSchema:
        """Return the one table."""
        column = Column("desc", "TEXT", nullable=False, primary_key=False, kind=Kind.TEXT, samples=("Rent",))
        return DatabaseSchema((Table("entries", (column,), (), len(VALUES)),), self.dialect)

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return the values, numbers among them."""
        assert (table, column) == ("entries", "desc")
        return ColumnValues(VALUES[:at_most])

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Nothing: the column is small."""
        return ()

    beginning = equal

    def identity(self) -> str:
        """Nothing ever changes."""
        return "the same"

    schema_identity = identity

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Return the values whatever the statement, unless it is slow or wrong."""
        if statement == WRONG:
            raise StatementError("invalid", "Unknown column 'no_such_column'")
        if statement == SLOW:
            ended = threading.Event()
            with interruptible(ended.set):
                assert ended.wait(GUARD)
            raise StatementError("unavailable", "interrupted")
        return Rows.within(self._limits, ("desc",), [(value,) for value in VALUES])

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
