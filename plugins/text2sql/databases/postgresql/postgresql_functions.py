"""Which functions of a server may change something, by its own catalogue."""

from __future__ import annotations

from sqlglot import exp

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.postgresql.postgresql_connections import Connection
from plugins.text2sql.databases.postgresql.postgresql_dialect import POSTGRESQL, SAFE_VOLATILE

_VOLATILE = """
SELECT DISTINCT proname FROM pg_catalog.pg_proc
WHERE provolatile = 'v' AND NOT (pronamespace = 'pg_catalog'::regnamespace AND proname = ANY(%s))
"""


def volatile_functions(connection: Connection) -> frozenset[str]:
    """Return the functions that PostgreSQL doesn't know to leave the data as it is, users' ones included.

    Raises:
        psycopg.Error: they can't be read.
    """
    return frozenset(name for (name,) in connection.execute(_VOLATILE, (list(SAFE_VOLATILE),)))


def first_of(functions: frozenset[str], statement: str) -> str | None:
    """Return one of ``functions`` that ``statement`` calls; ``None`` if it calls none.

    Raises:
        sqlglot.errors.SqlglotError: the statement isn't understood.
    """
    for node in parsed_one(statement, POSTGRESQL.name).find_all(exp.Func):
        names = [node.name] if isinstance(node, exp.Anonymous) else node.sql_names()
        for name in names:
            if name in functions or name.lower() in functions:
                return name
    return None
