"""One statement on a database: checked, timed and stoppable."""

from __future__ import annotations

from collections.abc import Callable

from plugins.text2sql.databases.database import Interruptible, Rows, StatementError
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.hidden_tables import hidden_table
from plugins.text2sql.databases.presentation import EVERYTHING, Presentation
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.stopping import Stopping
from plugins.text2sql.databases.unknown_names import explained
from sched.clock import Clock
from sched.workflow import SqlResult


class Statement:
    """One statement, run in a thread and timed by ``clock``; other threads may stop it by ``stopping``."""

    def __init__(
        self,
        statement: str,
        dialect: Dialect,
        run: Callable[[str, Interruptible], Rows],
        clock: Clock,
        schema: Callable[[], DatabaseSchema | None] = lambda: None,
        presentation: Presentation = EVERYTHING,
    ) -> None:
        """``run`` runs what was checked, written in ``dialect``, or raises ``StatementError``.

        ``schema`` returns what the names near an unknown one are taken from, if it is known.
        A table that ``presentation`` doesn't show may not be named.
        """
        self._dialect = dialect
        self._run = run
        self._schema = schema
        self._presentation = presentation
        self.text = statement
        self._clock = clock
        self.stopping = Stopping()

    def failed(self, error_kind: str, error: str, seconds: float = 0.0) -> SqlResult:
        """Return the result of a statement that gave no rows."""
        return SqlResult(self.text, seconds=seconds, error=error, error_kind=error_kind)

    def run(self) -> SqlResult:
        """Check and run the statement."""
        try:
            statement = check_select(self.text, self._dialect)
        except UnsafeSqlError as error:
            return self.failed("rejected", str(error))
        if self._presentation.hides:
            hidden = hidden_table(statement, self._presentation.shows, self._dialect)
            if hidden is not None:
                return self.failed("rejected", f"the table {hidden} may not be read; use those of the schema")
        started = self._clock()
        try:
            found = self._run(statement, self.stopping.interruptible)
        except StatementError as error:
            kind, message = self.stopping.reason or (error.kind, self._message(error))
            return self.failed(kind, message, self._clock() - started)
        seconds = self._clock() - started
        return SqlResult(self.text, found.columns, found.rows, found.truncated, seconds)

    def _message(self, error: StatementError) -> str:
        schema = self._schema() if error.unknown else None
        if error.unknown is None or schema is None:
            return str(error)
        return str(error) + explained(error.unknown, self.text, schema)
