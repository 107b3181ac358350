"""One database of the registry: opened as far as it can be, with the schema that was last read."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from dataclasses import dataclass, replace

from plugins.text2sql.databases.address import cleared, without_folder, without_folders
from plugins.text2sql.databases.database import Database
from plugins.text2sql.databases.presentation import Presentation
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.statement import Statement
from plugins.text2sql.databases.statement_runner import Opening
from sched.errors import ConfigError, UnavailableError
from sched.workflow import SqlResult

logger = logging.getLogger(__name__)

_REMEMBERED_STATEMENTS = 256
_TAIL = 0.9
_MOST_NAMED = 10
_RAN = ("invalid", "timeout")


@dataclass(frozen=True, slots=True)
class StatementTimes:
    """How long the latest ``count`` statements on a database ran, in seconds; the wait is not in it."""

    count: int
    mean_seconds: float
    p90_seconds: float


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Whether a database can be asked; if not, ``reason`` says why.  ``warnings`` are the kind's, and
    what of the schema can't be shown."""

    name: str
    reason: str | None = None
    warnings: tuple[str, ...] = ()


class KnownDatabase:
    """A database by its name.  Any thread may call it.

    No message shows a password in its address, whatever the database says; errors, which clients see, show no
    folder of the host either.
    """

    def __init__(self, name: str, opening: Opening, presentation: Presentation) -> None:
        self.name = name
        self.presentation = presentation
        self.schema: DatabaseSchema | None = None
        self.opening = opening
        self._database: Database | None = None
        self._reason: str | None = None
        self._refused: str | None = None
        self._read_as: str | None = None
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED_STATEMENTS)
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open it, unless it is open or was refused.

        Raises:
            ConfigError: it can't be opened; that is its state then.
        """
        if self._database is None and self._refused is None:
            try:
                self._database = self.opening()
            except ConfigError as error:
                self._reason = self._cleared(error.message)
                raise ConfigError(self._reason, field=error.field) from None

    def refuse(self, reason: str) -> None:
        """Close it for good: it can't be asked for this ``reason``."""
        self.close()
        # Apart from the other reason, which a look that is under way may still set or clear.
        self._refused, self._database = reason, None

    def close(self) -> None:
        """Close what is open."""
        if self._database is not None:
            self._database.close()

    @property
    def state(self) -> DatabaseState:
        """How it is now."""
        database, schema = self._database, self.schema
        warnings = database.warnings() if database else ()
        left_out = [self._cleared(str(each)) for each in schema.left_out] if schema else []
        return DatabaseState(self.name, self._refused or self._reason, (*warnings, *left_out))

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            UnavailableError: it can't be opened.
        """
        database = self._database
        if database is None:
            raise self._unavailable()
        return database

    def shown_schema(self) -> DatabaseSchema:
        """Return what is shown of the schema; read at the first call.

        Should that fail, only :meth:`refresh` tries again: whoever asks may not wait for a server.

        Raises:
            ConfigError: nothing of it is shown.
            UnavailableError: it can't be read, or has no tables.
        """
        database = self.database
        if self.schema is None and self._reason:
            raise self._unavailable()
        if self.schema is None:
            with self._lock:
                if self.schema is None:
                    self._read(database)
        assert self.schema is not None
        return self.schema

    def refresh(self) -> bool:
        """Open it if need be, read the schema if it has changed; return whether it is another one now."""
        before, was = self.schema, self._reason
        try:
            with self._lock:
                self.open()
                if self._database is not None:
                    self._read(self._database)
        except (ConfigError, UnavailableError) as error:
            self._reason = self._reason or self._cleared(error.message)
            if was is None:
                logger.warning("database %r: %s; questions to it are refused", self.name, self._reason)
        return self.schema is not before

    def timed(self, job: Statement) -> SqlResult:
        """Run ``job`` and remember how long it took, unless it was refused or given up."""
        result = job.run()
        if result.ok or result.error_kind in _RAN:
            self._seconds.append(result.seconds)
        if result.error is None:
            return result
        return replace(result, error=without_folder(self._cleared(result.error), self.opening.address))

    def times(self) -> StatementTimes:
        """Return how long its statements take; those stopped at their limit count too."""
        seconds = sorted(self._seconds)
        if not seconds:
            return StatementTimes(0, 0.0, 0.0)
        tail = seconds[math.ceil(_TAIL * len(seconds)) - 1]
        return StatementTimes(len(seconds), math.fsum(seconds) / len(seconds), tail)

    def _cleared(self, message: str) -> str:
        return cleared(message, [self.opening.address])

    def _unavailable(self) -> UnavailableError:
        reason = without_folders(str(self._refused or self._reason), self.opening.address)
        return UnavailableError(f"database {self.name!r}: {reason}", field="database")

    def _read(self, database: Database) -> None:
        """Read the schema unless it is the one that is known."""
        try:
            read_as = database.schema_identity()
            if self.schema is None or self._read_as != read_as:
                shown = self._shown(database.introspect())
                if shown != self.schema:
                    self.schema = shown
                self._read_as = read_as
        except UnavailableError as error:
            self._reason = self._cleared(error.message)
            raise self._unavailable() from None
        self._reason = None

    def _shown(self, schema: DatabaseSchema) -> DatabaseSchema:
        if not schema.tables:
            unread = "; ".join(map(str, schema.left_out[:_MOST_NAMED]))
            raise UnavailableError(f"it has no tables{' to show: ' if unread else ''}{unread}")
        try:
            shown = self.presentation.of(schema)
        except ConfigError as error:
            raise ConfigError(f"database {self.name!r}: {error.message}", field=error.field) from error
        if strangers := self.presentation.descriptions.strangers(schema.tables):
            some = ", ".join(strangers[:_MOST_NAMED])
            logger.warning("database %r has no %s, which are described", self.name, some)
        return shown
