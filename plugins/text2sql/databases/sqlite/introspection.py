"""Reading the schema of a SQLite database."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from plugins.text2sql.databases.schema import (
    MAX_SAMPLE_CHARACTERS,
    SAMPLE_ROWS,
    Column,
    DatabaseSchema,
    ForeignKey,
    Kind,
    LeftOut,
    Table,
    described,
)
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE, identifier
from plugins.text2sql.databases.sqlite.sqlite_errors import is_unavailable

_COLUMNS_AT_A_TIME = 400
"""Two results for each; SQLite allows 2,000."""
_VIEW_ROWS = 1_000
_VIEW_CHARACTERS = 1_000
_INSTRUCTIONS_AT_A_TIME = 10_000
_VIEW_INSTRUCTIONS = 20_000_000
"""About a second's work of SQLite."""


def introspect(engine: sa.Engine) -> DatabaseSchema:
    """Read the schema through ``engine``; the same data gives the same schema.

    Every table is scanned once.  Of a view the first rows are read, unless that is much work.  The tables in
    which SQLite keeps the content of virtual ones don't belong to it.  What can't be read by itself, such as
    a view on a table that is gone, is ``left_out``.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database can't be read.
    """
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        listed = connection.exec_driver_sql("PRAGMA table_list").all()
        shadows = {row.name for row in listed if row.type == "shadow"}
        names = [(name, _table) for name in inspector.get_table_names() if name not in shadows]
        names += [(name, _view) for name in inspector.get_view_names()]
        tables, left_out = [], []
        for name, read in sorted(names):
            try:
                tables.append(read(connection, inspector, name))
            except DBAPIError as error:
                if is_unavailable(error.orig):
                    raise
                left_out.append(LeftOut(name, str(error.orig)))
        return DatabaseSchema(tuple(tables), SQLITE, left_out=tuple(left_out))


def _table(connection: sa.Connection, inspector: sa.Inspector, name: str) -> Table:
    found = inspector.get_columns(name)
    names = [column["name"] for column in found]
    primary = inspector.get_pk_constraint(name)["constrained_columns"]
    rows, ends = _ends(connection, name, names)
    columns = []
    for column, (low, high) in zip(found, ends, strict=True):
        common = _frequent(connection, name, column["name"]) if _is_plain(low, high) else []
        columns.append(_column(column, column["name"] in primary, low, high, common))
    keys = [
        ForeignKey(tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"]))
        for key in inspector.get_foreign_keys(name)
    ]
    keys.sort(key=lambda key: (key.columns, key.target))
    return Table(name, tuple(columns), tuple(keys), rows)


def _view(connection: sa.Connection, inspector: sa.Inspector, name: str) -> Table:
    found = inspector.get_columns(name)
    columns = []
    rows = _first_rows(connection, name, [column["name"] for column in found])
    for number, column in enumerate(found):
        values = sorted((row[number] for row in rows if row[number] is not None), key=_as_sqlite_sorts)
        low, high = (values[0], values[-1]) if values else (None, None)
        short = [value for value in values if len(str(value)) <= MAX_SAMPLE_CHARACTERS]
        common = _by_frequency(short) if _is_plain(low, high) else []
        columns.append(_column(column, False, low, high, common))
    return Table(name, tuple(columns), (), len(rows), view=True)


def _column(column: Any, primary: bool, low: Any, high: Any, common: Sequence[Any]) -> Column:
    kind, samples, choices = described(low, high, common) if _is_plain(low, high) else (Kind.OTHER, (), ())
    return Column(
        name=column["name"],
        type=_type_name(column["type"]),
        nullable=bool(column["nullable"]),
        primary_key=primary,
        kind=kind,
        samples=samples,
        choices=choices,
    )


def _type_name(type_: sa.types.TypeEngine[Any]) -> str:
    return "" if isinstance(type_, sa.types.NullType) else type_.compile(sqlite.dialect())


def _is_plain(low: Any, high: Any) -> bool:
    """Whether all values of a column are finite numbers, or all texts.

    SQLite sorts NULL, numbers, text, blobs: both ends being of a kind, all values are.
    """
    numeric = all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high))
    return numeric or (isinstance(low, str) and isinstance(high, str))


def _ends(connection: sa.Connection, table: str, columns: Sequence[str]) -> tuple[int, list[tuple[Any, Any]]]:
    """Return the number of rows, and the lowest and highest value of each column."""
    rows = 0
    ends: list[tuple[Any, Any]] = []
    for at in range(0, len(columns), _COLUMNS_AT_A_TIME):
        some = columns[at : at + _COLUMNS_AT_A_TIME]
        wanted = ", ".join(f"min({word}), max({word})" for word in map(identifier, some))
        found = connection.exec_driver_sql(f"SELECT count(*), {wanted} FROM {identifier(table)}")
        rows, *values = found.one()
        ends += zip(values[::2], values[1::2], strict=True)
    return rows, ends


def _frequent(connection: sa.Connection, table: str, column: str) -> list[Any]:
    """Return the short values in the first rows, the most frequent first."""
    word = identifier(column)
    return list(
        connection.exec_driver_sql(
            f"SELECT value FROM (SELECT {word} AS value FROM {identifier(table)} "
            f"WHERE length({word}) <= {MAX_SAMPLE_CHARACTERS} LIMIT {SAMPLE_ROWS}) "
            "GROUP BY value ORDER BY count(*) DESC, value"
        ).scalars()
    )


def _first_rows(connection: sa.Connection, view: str, columns: Sequence[str]) -> Sequence[Sequence[Any]]:
    """Return rows of a view; none if that takes too much work.  Long texts are cut."""
    wanted = ", ".join(
        f"CASE typeof({word}) WHEN 'text' THEN substr({word}, 1, {_VIEW_CHARACTERS}) ELSE {word} END"
        for word in map(identifier, columns)
    )
    statement = f"SELECT {wanted} FROM {identifier(view)} LIMIT {_VIEW_ROWS}"
    try:
        with _bounded(connection):
            return connection.exec_driver_sql(statement).all()
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return ()
        raise


@contextmanager
def _bounded(connection: sa.Connection) -> Iterator[None]:
    """Interrupt what takes more than ``_VIEW_INSTRUCTIONS``, a measure that no load of the machine moves."""
    driver: Any = connection.connection.driver_connection
    left = itertools.count(_VIEW_INSTRUCTIONS // _INSTRUCTIONS_AT_A_TIME, -1)
    driver.set_progress_handler(lambda: next(left) <= 0, _INSTRUCTIONS_AT_A_TIME)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _as_sqlite_sorts(value: Any) -> tuple[int, Any]:
    if isinstance(value, str):
        return 1, value
    return (2, value) if isinstance(value, bytes) else (0, value)


def _by_frequency(values: Sequence[Any]) -> list[Any]:
    """Return the different ones of sorted ``values``, the most frequent first."""
    counted = [(value, sum(1 for _ in same)) for value, same in itertools.groupby(values)]
    return [value for value, _ in sorted(counted, key=lambda pair: -pair[1])]
