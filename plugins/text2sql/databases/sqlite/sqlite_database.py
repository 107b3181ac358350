"""A SQLite file as a database of the workflow."""

from __future__ import annotations

import functools
import operator
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from plugins.text2sql.databases.database import (
    ColumnValues,
    Database,
    Interruptible,
    Limits,
    Rows,
    ValueSpan,
)
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.sqlite.connections import OpenedFile, guard, open_read_only
from plugins.text2sql.databases.sqlite.double_quotes import with_backquotes
from plugins.text2sql.databases.sqlite.introspection import introspect
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE, identifier
from plugins.text2sql.databases.sqlite.sqlite_errors import explained
from sched.errors import ConfigError, UnavailableError

_URL = "sqlite:///"
_STOP_CHECK_INSTRUCTIONS = 10_000
_BATCH = 1_000
_LAST_CHARACTER = "\U0010ffff"


class SqliteDatabase(Database):
    """A file, given by its path or as ``sqlite:///`` and its path (so ``sqlite:////data/shop.sqlite``)."""

    dialect = SQLITE

    def __init__(self, address: str, limits: Limits, connections: int) -> None:
        self._path = _path(address)
        self._limits = limits
        if not self._path.is_file():
            raise ConfigError(f"there is no file {self._path}", field="database")
        self._engine = open_read_only(self._path, connections)
        guard(self._engine, limits)
        self._file = OpenedFile(self._path)
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        except DBAPIError as error:
            self._engine.dispose()
            raise ConfigError(
                f"{self._path} can't be read as SQLite: {error.orig}", field="database"
            ) from error

    @staticmethod
    def resolve(address: str) -> str:
        """Return the absolute path of a file that is there."""
        path = _path(address)
        if not path.is_file():
            raise ConfigError("there is no such file; give a SQLite file", field="databases")
        return str(path)

    def introspect(self) -> DatabaseSchema:
        """Read the schema; every table is scanned once."""
        with self._reading() as engine:
            return introspect(engine)

    def distinct(
        self, table: str, column: str, span: ValueSpan, at_most: int, stopped: Callable[[], bool]
    ) -> ColumnValues:
        """Return different values of a column; SQLite stops reading when it has ``at_most``."""
        # As text, since SQLAlchemy knows no column without a name.
        statement = (
            f"SELECT DISTINCT value FROM (SELECT {identifier(column)} AS value FROM {identifier(table)} "
            f"LIMIT {span.rows}) WHERE length(value) BETWEEN {span.shortest} AND {span.longest} "
            f"LIMIT {at_most}"
        )
        return ColumnValues(self._texts(statement, stopped))

    def equal(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that are one of ``texts``; an index in the usual collation is used."""
        value: sa.ColumnClause[Any] = sa.column(column)
        wanted = sa.select(value).select_from(sa.table(table, value)).distinct()
        return self._texts(wanted.where(value.in_(texts)).limit(at_most), stopped)

    def beginning(
        self, table: str, column: str, texts: Sequence[str], at_most: int, stopped: Callable[[], bool]
    ) -> Sequence[str]:
        """Return values that begin with one of ``texts``, the shortest first.

        First in the cases that are usual in names, for which an index serves; where there are none, all rows
        are read.
        """
        value: sa.ColumnClause[Any] = sa.column(column)
        wanted = sa.select(value).select_from(sa.table(table, value)).distinct()
        wanted = wanted.order_by(sa.func.length(value), value).limit(at_most)
        usual = dict.fromkeys(case for text in texts for case in (text, text.capitalize(), text.title()))
        within = [sa.and_(value >= text, value < text + _LAST_CHARACTER) for text in usual]
        found = self._texts(wanted.where(sa.or_(*within)), stopped)
        anyhow = [value.istartswith(text, autoescape=True) for text in texts]
        return found or self._texts(wanted.where(sa.or_(*anyhow)), stopped)

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
        """Return values with the most of ``parts``; all rows are read."""
        value: sa.ColumnClause[Any] = sa.column(column)
        # LIKE takes small and capital letters of ASCII for the same.
        has = [sa.case((value.contains(part, autoescape=True), 1), else_=0) for part in parts]
        shared = functools.reduce(operator.add, has)
        wanted = sa.select(value).select_from(sa.table(table, value)).distinct()
        begins = value.startswith(beginning, autoescape=True)
        wanted = wanted.where(sa.func.length(value).between(*lengths), begins, shared > 0)
        return self._texts(wanted.order_by(shared.desc(), value).limit(at_most), stopped)

    def identity(self) -> str:
        """Return the sizes and times of the file and of its log of late writes."""
        log = self._path.with_name(self._path.name + "-wal")
        try:
            stats = [self._path.stat(), *([log.stat()] if log.exists() else [])]
        except OSError as error:
            raise UnavailableError(str(error)) from error
        return repr([(stat.st_size, stat.st_mtime_ns) for stat in stats])

    def schema_identity(self) -> str:
        """Return which file it is, and SQLite's count of changes to its schema."""
        try:
            stat = self._path.stat()
        except OSError as error:
            raise UnavailableError(str(error)) from error
        with self._reading() as engine, engine.connect() as connection:
            version = connection.exec_driver_sql("PRAGMA schema_version").scalar()
        return repr((stat.st_dev, stat.st_ino, version))

    def run(self, statement: str, interruptible: Interruptible) -> Rows:
        """Run one SELECT on a connection that refuses everything else.

        A word in double quotes that is no name is an error, too, which it isn't for SQLite.
        """
        try:
            with self._engine.connect() as connection:
                raw: Any = connection.connection.driver_connection
                with interruptible(raw.interrupt):
                    return self._fetch(connection, statement)
        except (SQLAlchemyError, sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
            raise explained(error) from error

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()
        self._file.close()

    def _fetch(self, connection: sa.Connection, statement: str) -> Rows:
        strict = with_backquotes(statement)
        if strict != statement:
            # Compiled only: run, it would give its columns other names.
            connection.exec_driver_sql(f"EXPLAIN {strict}").close()
        options = connection.execution_options(sqlite_raw_colnames=True)
        with options.exec_driver_sql(statement) as result:
            return Rows.within(self._limits, result.keys(), result)

    def _texts(self, wanted: sa.Select[Any] | str, stopped: Callable[[], bool]) -> Sequence[Any]:
        with self._reading() as engine, engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            batched = connection.execution_options(yield_per=_BATCH)
            raw.set_progress_handler(stopped, _STOP_CHECK_INSTRUCTIONS)
            try:
                rows = batched.exec_driver_sql(wanted) if isinstance(wanted, str) else batched.execute(wanted)
                return rows.scalars().all()
            finally:
                raw.set_progress_handler(None, 0)

    @contextmanager
    def _reading(self) -> Iterator[sa.Engine]:
        """Give the file beside the statements, for what they may not do, such as looking at its schema."""
        try:
            yield self._file.engine()
        except SQLAlchemyError as error:
            raise UnavailableError(str(getattr(error, "orig", None) or error)) from error
        except MemoryError as error:
            raise UnavailableError("a statement has taken all memory that SQLite may have") from error
        except OSError as error:
            raise UnavailableError(str(error)) from error


def _path(address: str) -> Path:
    path = address[len(_URL) :] if address.lower().startswith(_URL) else address
    if not path or path.lower().startswith("sqlite://"):
        raise ConfigError(f"write {_URL}PATH, or just the path of a SQLite file", field="databases")
    return Path(path).expanduser().absolute()
