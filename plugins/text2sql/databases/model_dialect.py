"""The databases as a model sees them that writes a dialect of SQL of its own."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import Protocol

from sqlglot import Dialects

from plugins.text2sql.databases.database import Database
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.duckdb.duckdb_dialect import DUCKDB
from plugins.text2sql.databases.mysql.mysql_dialect import MYSQL
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from sched.errors import ConfigError

_KNOWN = {dialect.name: dialect for dialect in (SQLITE, DUCKDB, POSTGRESQL, MYSQL)}
_ALSO = {"postgresql": "postgres", "mariadb": "mysql", "sqlserver": "tsql"}


class AskedDatabases(Protocol):
    """Databases and what is shown of their schemas; a ``DatabaseRegistry`` has them."""

    def database(self, name: str) -> Database:
        """Return database ``name``."""
        ...

    def schema(self, name: str) -> DatabaseSchema:
        """Return the schema of database ``name``."""
        ...


class DatabasesAsWritten:
    """The ``databases`` with their schemas in the dialect that the model writes; the same for ``None``."""

    def __init__(self, databases: AskedDatabases, sql_dialect: str | None) -> None:
        """``sql_dialect`` is as :func:`dialect_named` takes it.

        Raises:
            ConfigError: there is no such dialect.
        """
        self._databases = databases
        self._dialect = None if sql_dialect is None else dialect_named(sql_dialect)
        self._written: dict[str, tuple[DatabaseSchema, DatabaseSchema]] = {}

    def database(self, name: str) -> Database:
        """Return database ``name``.

        Raises:
            NotFoundError: there is no such database.
            UnavailableError: it can't be opened.
        """
        return self._databases.database(name)

    def schema(self, name: str) -> DatabaseSchema:
        """Return the schema of database ``name`` as the model sees it; the same object until it changes.

        Raises:
            NotFoundError: there is no such database.
            UnavailableError: it can't be read.
        """
        schema = self._databases.schema(name)
        known = self._written.get(name)
        if known is None or known[0] is not schema:
            known = self._written[name] = (schema, _written(schema, self._dialect))
        return known[1]


def dialect_named(name: str) -> Dialect:
    """Return the dialect that sqlglot calls ``name``, or that is usually called so.

    Raises:
        ConfigError: there is none.
    """
    word = name.lower()
    word = _ALSO.get(word, word)
    names = sorted(each.value for each in Dialects if each.value)
    if word not in names:
        near = get_close_matches(word, names, n=1)
        hint = f"did you mean {near[0]}? Known" if near else "known"
        raise ConfigError(
            f"--sql-dialect: unknown dialect {name!r}; {hint}: {', '.join(names)}", field="sql_dialect"
        )
    return _KNOWN.get(word) or Dialect(word, name)


def _written(schema: DatabaseSchema, dialect: Dialect | None) -> DatabaseSchema:
    own = schema.dialect
    if dialect is None or dialect.name == own.name:
        return schema
    # Tables are called by the names by which they are known in the database.
    seen = replace(
        dialect, default_schema=own.default_schema, own_schemas=own.own_schemas, own_tables=own.own_tables
    )
    return replace(schema, dialect=seen, runs_as=own)
