"""What the databases of all servers share: looks at the catalogue, samples, look-ups, statements."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from plugins.text2sql.databases.database import (
    ColumnValues,
    Database,
    Interruptible,
    Limits,
    Rows,
    StatementError,
    ValueSpan,
)
from plugins.text2sql.databases.relational.column_facts import Sampled
from plugins.text2sql.databases.relational.column_reader import ColumnReader
from plugins.text2sql.databases.relational.interrupting import expired, watched
from plugins.text2sql.databases.relational.listed_table import ListedTable
from plugins.text2sql.databases.relational.server_connections import ServerConnections, Transactional
from plugins.text2sql.databases.schema import DatabaseSchema, LeftOut
from sched.errors import UnavailableError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 20.0
"""A look at the catalogue takes this long at most, however short the time of statements is."""
_SAMPLE_SECONDS = 1.0
_SAMPLING_SECONDS = 60.0
"""Tables that have not been sampled after so long are shown without samples."""

C = TypeVar("C", bound=Transactional)
T = TypeVar("T", bound=ListedTable)


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What a catalogue says: the tables that can be read, with what is known of each that needs no sampling.

    What is ``left_out`` can't be shown; ``warnings`` are for the user.
    """

    tables: Sequence[tuple[T, Sampled | None]]
    left_out: Sequence[LeftOut]
    warnings: tuple[str, ...]


class ServerDatabase(Database, Generic[C, T]):
    """A database at ``url``, asked over ``connections``.

    A server that is down when this one starts is found later.  A kind derives from it how its catalogue is
    read, its tables are sampled, its columns are read, and its errors are explained.
    """

    def __init__(self, url: sa.URL, limits: Limits, connections: ServerConnections[C]) -> None:
        self._url = url
        self._limits = limits
        self._connections = connections
        self._warnings: tuple[str, ...] = ()
        self._tables: Mapping[str, T] = {}
        self._row_counts: Mapping[str, int] = {}

    @abstractmethod
    def _look(self, connection: C) -> Look[T]:
        """Return what the catalogue says."""

    @abstractmethod
    def _sample(self, connection: C, table: T) -> Sampled:
        """Return what the first rows of ``table`` tell."""

    @abstractmethod
    def _reader(self, connection: C, table: str, column: str) -> ColumnReader:
        """Return what reads the values of a column, by its own and its table's known name."""

    @abstractmethod
    def _schema_identity(self, connection: C) -> str: ...

    @abstractmethod
    def _identity(self, connection: C) -> str: ...

    @abstractmethod
    def _answer(self, connection: C, statement: str) -> Rows:
        """Run one SELECT within the limits; raises StatementError, too."""

    @abstractmethod
    def _line(self, error: Exception) -> str:
        """Return the message of an error in one line, without any password."""

    @abstractmethod
    def _explained(self, error: Exception) -> StatementError:
        """Return an error of a statement as the port's."""

    @abstractmethod
    def _timed_out(self, error: BaseException | None) -> bool:
        """Whether ``error`` may be that of a time limit."""

    def _is_broken(self, error: Exception) -> bool:
        """Whether a table that can't be sampled for ``error`` can't be read at all."""
        return False

    def introspect(self) -> DatabaseSchema:
        """Read the schema from the catalogue; of tables of which it doesn't tell enough, the first rows."""
        with self._looking() as connection:
            look = self._look(connection)
        known = {table.known_as: sample for table, sample in look.tables if sample is not None}
        sampled, broken = self._samples([table for table, sample in look.tables if sample is None])
        known |= sampled
        self._warnings = look.warnings
        self._tables = {table.known_as: table for table, _ in look.tables if table.known_as in known}
        shown = [table.shown(known[name].rows, known[name].facts) for name, table in self._tables.items()]
        self._row_counts = {table.name: table.row_count for table in shown}
        shown.sort(key=lambda table: table.name)
        return DatabaseSchema(tuple(shown), self.dialect, left_out=(*look.left_out, *broken))

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return different values; of a column that takes longer than a statement may, none."""
        try:
            with self._reading(stopped) as connection:
                return self._reader(connection, table, column).distinct(span, at_most)
        except UnavailableError as error:
            if self._timed_out(error.__cause__) and not stopped():
                return ColumnValues((), in_part=True)
            raise

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that are one of ``texts``; an index is used."""
        with self._reading(stopped) as connection:
            return self._reader(connection, table, column).equal(texts, at_most)

    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first."""
        with self._reading(stopped) as connection:
            return self._reader(connection, table, column).beginning(texts, at_most)

    def warnings(self) -> tuple[str, ...]:
        """Return what the user may do that reading doesn't need."""
        return self._warnings

    def schema_identity(self) -> str:
        """Return a hash of the catalogue."""
        with self._looking() as connection:
            return self._schema_identity(connection)

    def identity(self) -> str:
        """Return when tables last changed, as far as the server notes it, and roughly how much."""
        with self._looking() as connection:
            return self._identity(connection)

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT in a transaction that can only read."""
        try:
            with (
                self._connections.transaction() as (connection, interrupter),
                interruptible(interrupter),
            ):
                return self._answer(connection, statement)
        except (self._connections.errors, SQLAlchemyError) as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _samples(self, tables: Sequence[T]) -> tuple[dict[str, Sampled], list[LeftOut]]:
        """Return samples by the known name of tables, and those that are broken.

        One that takes more than a second has no samples.

        Raises:
            UnavailableError: the server can't be reached.
        """
        found: dict[str, Sampled] = {}
        broken: list[LeftOut] = []
        if not tables:
            return found, broken
        late = expired(_SAMPLING_SECONDS)
        with self._reading(late, _SAMPLE_SECONDS) as connection:
            for table in tables:
                name = table.known_as
                try:
                    found[name] = _unsampled(table) if late() else self._sample(connection, table)
                except self._connections.errors as error:
                    if not self._connections.is_open(connection):
                        raise
                    if self._is_broken(error):
                        broken.append(LeftOut(name, self._line(error)))
                    else:
                        logger.info("%s has no samples: %s", name, self._line(error))
                        found[name] = _unsampled(table)
                # Until the transaction ends, nobody could alter the table.
                connection.rollback()
        return found, broken

    @contextmanager
    def _looking(self) -> Iterator[C]:
        """Open a transaction for a look at the catalogue."""
        with self._reading(expired(LOOK_SECONDS), LOOK_SECONDS) as connection:
            yield connection

    @contextmanager
    def _reading(self, stopped: Callable[[], bool], seconds: float | None = None) -> Iterator[C]:
        """Open a transaction for what is no statement of a model; ``seconds`` limit each query in it."""
        try:
            with (
                self._connections.transaction(seconds) as (connection, interrupter),
                watched(stopped, interrupter),
            ):
                yield connection
        except (self._connections.errors, SQLAlchemyError) as error:
            raise UnavailableError(self._line(error)) from error


def _unsampled(table: ListedTable) -> Sampled:
    return Sampled(max(0, round(table.rows)), {})
