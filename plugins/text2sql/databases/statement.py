"""One statement on a database: checked, timed and stoppable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plugins.text2sql.databases.database import Database, StatementError
from plugins.text2sql.databases.hidden_tables import hidden_table
from plugins.text2sql.databases.presentation import EVERYTHING, Presentation
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.unknown_names import explained
from sched.clock import Clock
from sched.workflow import SqlResult


class Statement:
    """One statement, run in a thread of the pool, timed by ``clock`` and stoppable from other threads."""

    def __init__(
        self,
        database: Database,
        statement: str,
        clock: Clock,
        schema: Callable[[], DatabaseSchema | None] = lambda: None,
        presentation: Presentation = EVERYTHING,
    ) -> None:
        """``schema`` returns what the names near an unknown one are taken from, if it is known.

        A table that ``presentation`` doesn't show may not be named.
        """
        self._database = database
        self._schema = schema
        self._presentation = presentation
        self._statement = statement
        self._clock = clock
        self._lock = threading.Lock()
        self._interrupt: Callable[[], object] | None = None
        self._stopped: tuple[str, str] | None = None

    def failed(self, error_kind: str, error: str, seconds: float = 0.0) -> SqlResult:
        """Return the result of a statement that gave no rows."""
        return SqlResult(self._statement, seconds=seconds, error=error, error_kind=error_kind)

    def stop(self, error_kind: str, reason: str) -> None:
        """Interrupt the statement, or keep it from starting; the first reason given is reported."""
        with self._lock:
            self._stopped = self._stopped or (error_kind, reason)
            if self._interrupt is not None:
                self._interrupt()

    def run(self) -> SqlResult:
        """Check and run the statement."""
        try:
            statement = check_select(self._statement, self._database.dialect)
        except UnsafeSqlError as error:
            return self.failed("rejected", str(error))
        if self._presentation.hides:
            hidden = hidden_table(statement, self._presentation.shows, self._database.dialect)
            if hidden is not None:
                return self.failed("rejected", f"the table {hidden} may not be read; use those of the schema")
        started = self._clock()
        try:
            found = self._database.run(statement, self._interruptible)
        except StatementError as error:
            kind, message = self._stopped or (error.kind, self._message(error))
            return self.failed(kind, message, self._clock() - started)
        except (ArithmeticError, MemoryError, RecursionError, ValueError) as error:
            # Of the driver, which makes a value for Python.
            message = f"the result can't be read: {str(error) or type(error).__name__}"
            return self.failed(*(self._stopped or ("invalid", message)), self._clock() - started)
        seconds = self._clock() - started
        return SqlResult(self._statement, found.columns, found.rows, found.truncated, seconds)

    def _message(self, error: StatementError) -> str:
        schema = self._schema() if error.unknown else None
        if error.unknown is None or schema is None:
            return str(error)
        return str(error) + explained(error.unknown, self._statement, schema)

    @contextmanager
    def _interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Have :meth:`stop` call ``interrupt`` inside; a statement that was stopped already doesn't begin."""
        with self._lock:
            if self._stopped is not None:
                raise StatementError(*self._stopped)
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None
