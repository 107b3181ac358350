"""The port between the workflow and a kind of database: what it needs of any.

A kind derives from :class:`Database`; ``launch/shipped.py`` gives it a name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.json_values import plain, weight
from plugins.text2sql.databases.schema import DatabaseSchema

Interruptible = Callable[[Callable[[], object]], AbstractContextManager[None]]
"""Around what may take long: ``with interruptible(interrupt):`` has ``interrupt`` called, from another
thread and perhaps more than once, to end it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may return, and how long it may run.

    Rows, bytes of all rows, bytes of any one value.  ``seconds`` is what the database is told, should
    nobody be left to interrupt the statement.
    """

    rows: int
    bytes: int
    value_bytes: int
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement returned; ``truncated`` if there was more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool

    @classmethod
    def within(cls, limits: Limits, columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Rows:
        """Read ``rows`` as far as ``limits`` allow, with values that JSON can hold.

        Raises:
            StatementError: a value is too big, or nested too deeply.
        """
        kept: list[tuple[Any, ...]] = []
        size = 0
        for row in rows:
            try:
                largest = max((weight(value, limits.value_bytes) for value in row), default=0)
            except ValueError as error:
                raise StatementError("invalid", str(error)) from error
            if largest > limits.value_bytes:
                raise StatementError("invalid", f"a value is too big: more than {limits.value_bytes} bytes")
            values = tuple(map(plain, row))
            size += sum(weight(value, limits.bytes) for value in values)
            if len(kept) == limits.rows or size > limits.bytes:
                return cls(tuple(columns), tuple(kept), True)
            kept.append(values)
        return cls(tuple(columns), tuple(kept), False)


@dataclass(frozen=True, slots=True)
class ValueSpan:
    """Which values of a column are read: of ``shortest`` to ``longest`` characters, in at most ``rows``."""

    shortest: int
    longest: int
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """Different values of a column.

    ``more``: there are more than were asked for, and these are examples.  ``in_part``: only some rows were
    read.
    """

    values: Sequence[Any]
    more: bool = False
    in_part: bool = False


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that the database doesn't know, as its message has it: perhaps ``table.column``."""

    kind: Literal["table", "column"]
    name: str


class StatementError(Exception):
    """A statement gave no rows.

    ``kind`` is ``"invalid"`` (the statement is wrong), ``"rejected"`` (it may not run), ``"timeout"`` (the
    database stopped it) or ``"unavailable"`` (the database can't answer now); the message is shown to the
    model, which is asked to mend it.  To that of an ``unknown`` name the names near it are added.
    """

    def __init__(self, kind: str, message: str, unknown: UnknownName | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.unknown = unknown


class Database(ABC):
    """An open database, read only.  All methods may be called from any thread.

    ``address`` is what the user gave, resolved; no message repeats a password in it.  At most
    ``connections`` statements run at a time, and each returns what ``limits`` allow.

    Raises:
        ConfigError: it can't be opened and read; the message says why.
    """

    dialect: Dialect

    @abstractmethod
    def __init__(self, address: str, limits: Limits, connections: int) -> None: ...

    @staticmethod
    def resolve(address: str) -> str:
        """Return ``address`` as it holds in every folder, before anything is started; takes no time.

        Raises:
            ConfigError: it can't be right; the message says why, without the address.
        """
        return address

    @abstractmethod
    def introspect(self) -> DatabaseSchema:
        """Read the schema, in this kind's dialect; the same data gives the same schema.  May take seconds.

        Views belong to it.  What the database keeps for itself doesn't.  What can't be read by itself is
        ``left_out``.
        ``schema.described`` makes the samples of a column.

        Raises:
            UnavailableError: the database can't be read.
        """

    @abstractmethod
    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return up to ``at_most`` different values in ``span`` of a column.  May take seconds.

        A database with statistics needn't read the column to know that there are more.  Gives up, with an
        error, soon after ``stopped`` says so.

        Raises:
            UnavailableError: the database can't be read, or the reading was stopped.
        """

    @abstractmethod
    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return up to ``at_most`` different values of a column that are one of ``texts``, letter by letter.

        For columns with more values than are read; an index on the column should be used.  Gives up, with an
        error, soon after ``stopped`` says so.

        Raises:
            UnavailableError: the database can't be read, or the reading was stopped.
        """

    @abstractmethod
    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return up to ``at_most`` different values that begin with one of ``texts``, the shortest first.

        Small and capital letters needn't differ.  In all else like :meth:`equal`.

        Raises:
            UnavailableError: the database can't be read, or the reading was stopped.
        """

    def sharing(
        self,
        table: str,
        column: str,
        beginning: str,
        parts: Sequence[str],
        lengths: tuple[int, int],
        at_most: int,
        stopped: Callable[[], bool],
    ) -> Sequence[str]:
        """Return up to ``at_most`` different values that contain one of ``parts``, those with the most first.

        They begin with ``beginning``, perhaps nothing, and have at least and at most ``lengths`` characters.
        Small and capital letters needn't differ.  In all else like :meth:`equal`.  All rows may have to be
        read.  A kind that has no means for this returns nothing: misspelled names in large columns are not
        found then.

        Raises:
            UnavailableError: the database can't be read, or the reading was stopped.
        """
        return ()

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know about the database, found when the schema was read."""
        return ()

    @abstractmethod
    def schema_identity(self) -> str:
        """Return what differs once the schema has changed, cheaply.

        Raises:
            UnavailableError: it can't be told.
        """

    @abstractmethod
    def identity(self) -> str:
        """Return what differs once the data may have changed, cheaply.

        Raises:
            UnavailableError: it can't be told.
        """

    @abstractmethod
    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT, which was checked, and return its rows (:meth:`Rows.within`).

        Writing must be impossible all the same.  It ends soon after an interrupt.  A name that is no table
        or column is an error.

        Raises:
            StatementError: it gave none.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""
