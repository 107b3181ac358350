"""A DuckDB file as a database of the workflow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from plugins.text2sql.databases.database import (
    ColumnValues,
    Database,
    Interruptible,
    Limits,
    Rows,
    StatementError,
    ValueSpan,
)
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.duckdb.duckdb_errors import explained
from plugins.text2sql.databases.duckdb.duckdb_introspection import introspect
from plugins.text2sql.databases.duckdb.duckdb_values import Ask, TableReader, beginning, equal
from plugins.text2sql.databases.relational.batches import rows_in_batches
from plugins.text2sql.databases.relational.interrupting import expired, watched
from plugins.text2sql.databases.schema import DatabaseSchema
from sched.errors import ConfigError, UnavailableError

_URL = "duckdb:///"
_OPTIONS = {"memory_limit", "threads"}
_AT_OPENING = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",
}
# In this order: nothing can be set after the last.
_ONCE_OPEN = ("temp_directory = ''", "enable_external_access = false", "lock_configuration = true")


class DuckdbDatabase(Database):
    """A file, given as ``duckdb:///`` and its path (so ``duckdb:////data/shop.duckdb``).

    ``?memory_limit=4GB&threads=4`` may follow; the defaults are 1 GB and one thread a connection.  While it
    is open, no other process can write to the file; a new file in its place is noticed.
    """

    dialect = DUCKDB

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        self._path, given = _parts(address)
        self._options = {"memory_limit": "1GB", "threads": str(connections)} | given
        self._limits = limits
        self._lock = threading.Lock()
        self._used = 0
        self._reader = TableReader()
        self._opened_as: str | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        try:
            with self._cursor():
                pass
        except (duckdb.Error, UnavailableError) as error:
            raise ConfigError(f"{self._path} can't be opened: {_line(error)}", field="database") from error

    @staticmethod
    def resolve(address: str) -> str:
        """Return the address with the absolute path of a file that is there."""
        path, _ = _parts(address)
        if not path.is_file():
            raise ConfigError("there is no such file; give a DuckDB file", field="databases")
        query = address.partition("?")[2]
        return f"{_URL}{path}" + (f"?{query}" if query else "")

    def introspect(self) -> DatabaseSchema:
        """Read the schema; of each table the first rows."""
        with self._reading() as cursor:
            schema = introspect(cursor)
        self._reader = TableReader(schema)
        return schema

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return different values of a column; a column with very many is known by its first rows."""
        return self._reader.distinct(table, column, span, at_most, self._asking(stopped))

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that are one of ``texts``."""
        return equal(table, column, texts, at_most, self._asking(stopped))

    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that begin with one of ``texts`` in any case, the shortest first."""
        return beginning(table, column, texts, at_most, self._asking(stopped))

    def schema_identity(self) -> str:
        """Return the identity: what is open for reading can't be changed, only replaced."""
        return self.identity()

    def identity(self) -> str:
        """Return which file is open, its size and time; a new one in its place is opened once none runs."""
        with self._reading():
            return self._opened_as or ""

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT; what DuckDB itself takes for anything else is refused."""
        late = expired(self._limits.seconds)
        try:
            with self._cursor() as cursor:
                self._check(statement)
                with interruptible(cursor.interrupt), watched(late, cursor.interrupt):
                    result = cursor.execute(statement)
                    columns = [column[0] for column in result.description or ()]
                    return Rows.within(self._limits, columns, rows_in_batches(result.fetchmany))
        except duckdb.InterruptException as error:
            if not late():
                raise explained(error) from error
            message = f"the statement was stopped at its time limit of {self._limits.seconds:g} s"
            raise StatementError("timeout", message) from error
        except duckdb.Error as error:
            raise explained(error) from error
        except UnavailableError as error:
            raise StatementError("unavailable", error.message) from error
        except (ValueError, OverflowError, RecursionError) as error:  # a value that Python can't hold
            raise StatementError("invalid", str(error)) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._opened_as = None

    @staticmethod
    def _check(statement: str) -> None:
        """Refuse what DuckDB's parser doesn't take for exactly one SELECT.

        Raises:
            StatementError: it is something else.
        """
        found = duckdb.extract_statements(statement)
        try:
            selects = [part.type for part in found] == [duckdb.StatementType.SELECT]
        except ValueError:  # a kind of statement that the driver has no name for
            selects = False
        if not selects:
            raise StatementError("rejected", "this is not exactly one SELECT")

    def _asking(self, stopped: Callable[[], bool]) -> Ask:
        def ask(statement: str, parameters: Sequence[str]) -> Sequence[Sequence[Any]]:
            with self._reading() as cursor, watched(stopped, cursor.interrupt):
                return cursor.execute(statement, list(parameters)).fetchall()

        return ask

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with self._cursor() as cursor:
                yield cursor
        except duckdb.Error as error:
            raise UnavailableError(_line(error)) from error

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection of its own to the file, or to the one that has taken its place."""
        with self._lock:
            there = self._file_there()
            if self._connection is None or (there != self._opened_as and self._used == 0):
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._connection, self._opened_as = self._open(), there
            cursor = self._connection.cursor()
            self._used += 1
        try:
            yield cursor
        finally:
            cursor.close()
            with self._lock:
                self._used -= 1

    def _file_there(self) -> str:
        """Return which file lies at the path, its size and time.

        Raises:
            UnavailableError: there is none.
        """
        try:
            stat = self._path.stat()
        except OSError as error:
            raise UnavailableError(str(error)) from error
        return repr((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self._path), read_only=True, config={**_AT_OPENING, **self._options})
        # Connections to one file, known by several names perhaps, share their settings.
        if connection.execute("SELECT current_setting('lock_configuration')").fetchone() == (False,):
            for setting in _ONCE_OPEN:
                connection.execute(f"SET {setting}")
        return connection


def _parts(address: str) -> tuple[Path, dict[str, str]]:
    """Return the path and the options of an address.

    Raises:
        ConfigError: it is none.
    """
    given, _, query = address.partition("?")
    path = given[len(_URL) :] if given.lower().startswith(_URL) else ""
    options = dict(_option(part) for part in query.split("&") if part)
    if not path:
        raise ConfigError(f"write {_URL}PATH", field="databases")
    if unknown := options.keys() - _OPTIONS:
        raise ConfigError(
            f"DuckDB's address takes no {', '.join(sorted(unknown))}; known: {', '.join(sorted(_OPTIONS))}",
            field="databases",
        )
    return Path(path).expanduser().absolute(), options


def _option(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name, value


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
