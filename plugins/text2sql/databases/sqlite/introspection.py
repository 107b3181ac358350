"""Reading the schema of a SQLite database."""

from __future__ import annotations

import math
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from plugins.text2sql.databases.dialect import Value
from plugins.text2sql.databases.schema import (
    MAX_SAMPLE_CHARACTERS,
    SAMPLE_ROWS,
    Column,
    DatabaseSchema,
    ForeignKey,
    Kind,
    Table,
    described,
)
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE


def introspect(engine: sa.Engine) -> DatabaseSchema:
    """Read the schema through ``engine``; the same data gives the same schema.

    Every table is scanned once per column; views are left out.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database can't be read.
    """
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        names = sorted(inspector.get_table_names())
        return DatabaseSchema(tuple(_table(connection, inspector, name) for name in names), SQLITE)


def _table(connection: sa.Connection, inspector: sa.Inspector, name: str) -> Table:
    primary = inspector.get_pk_constraint(name)["constrained_columns"]
    columns = []
    for column in inspector.get_columns(name):
        kind, samples, choices = _describe(connection, name, column["name"])
        columns.append(
            Column(
                name=column["name"],
                type=_type_name(column["type"]),
                nullable=bool(column["nullable"]),
                primary_key=column["name"] in primary,
                kind=kind,
                samples=samples,
                choices=choices,
            )
        )
    keys = [
        ForeignKey(tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"]))
        for key in inspector.get_foreign_keys(name)
    ]
    keys.sort(key=lambda key: (key.columns, key.target))
    rows = connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
    return Table(name, tuple(columns), tuple(keys), rows)


def _type_name(type_: sa.types.TypeEngine[Any]) -> str:
    return "" if isinstance(type_, sa.types.NullType) else type_.compile(sqlite.dialect())


def _describe(
    connection: sa.Connection, table: str, name: str
) -> tuple[Kind, tuple[Value, ...], tuple[str, ...]]:
    """Return the kind, samples and choices of one column."""
    column: sa.ColumnClause[Any] = sa.column(name)
    source = sa.table(table, column)
    low, high = connection.execute(
        sa.select(sa.func.min(column), sa.func.max(column)).select_from(source)
    ).one()
    # SQLite sorts NULL, numbers, text, blobs: both ends being of a kind, all values are.
    numeric = all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high))
    if not numeric and not (isinstance(low, str) and isinstance(high, str)):
        return Kind.OTHER, (), ()
    short = sa.select(column).where(sa.func.length(column) <= MAX_SAMPLE_CHARACTERS)
    value = short.limit(SAMPLE_ROWS).select_from(source).subquery().c[name]
    counted = sa.select(value).group_by(value).order_by(sa.func.count().desc(), value)
    return described(low, high, list(connection.execute(counted).scalars()))
