"""MySQL's and MariaDB's SQL."""

from __future__ import annotations

import re

from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MARIADB, RESERVED_WORDS_MYSQL

from plugins.text2sql.databases.dialect import Dialect, Value
from plugins.text2sql.databases.mysql.mysql_functions import FORBIDDEN

# The server runs what stands in such a comment; for the parser, as for a reader, it is a comment.
_RUN_COMMENT = re.compile(r"/\*(?:M?!|\+)", re.IGNORECASE)
# For the parser any space begins a comment here.  The server takes one that isn't ASCII for a name.
_NO_COMMENT = re.compile(r"--[^\x00-\x7e]")
SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")


class MysqlDialect(Dialect):
    """MySQL's, where a schema is a database of the server.

    ``default_schema`` is the one that the connection is in, in its own letters, or empty: then every table
    is known with its database.  Texts stand in single or double quotes, names in backquotes.
    """

    def table(self, name: str) -> str:
        """Return the table known by ``name`` as SQL, with its database where that isn't the default one."""
        return ".".join(map(self.identifier, name.split(".", 1)))

    def known_as(self, schema: str, table: str) -> str:
        """Return the name by which a table is known; ``schema`` may be empty and has no dot."""
        if schema.lower() in ("", self.default_schema.lower()) and "." not in table:
            return table
        return f"{schema or self.default_schema}.{table}"

    def forbids(self, function: str) -> bool:
        """Whether ``function`` reaches beyond the data."""
        return FORBIDDEN.fullmatch(function) is not None

    def misread(self, statement: str) -> str | None:
        """Return a comment that the server runs, or what only seems to be one, wherever it stands."""
        if _RUN_COMMENT.search(statement):
            return "a comment that the server runs (/*! … */, /*+ … */)"
        return "-- without a space after it" if _NO_COMMENT.search(statement) else None

    def literal(self, value: Value) -> str:
        """Return ``value`` as an SQL literal; a backslash in it is doubled."""
        return super().literal(value.replace("\\", "\\\\") if isinstance(value, str) else value)


MYSQL = MysqlDialect(
    "mysql",
    "MySQL",
    "Write texts in single quotes, names with spaces in backquotes, and dates like '2025-01-31'.",
    reserved=frozenset(RESERVED_WORDS_MYSQL | RESERVED_WORDS_MARIADB),
    own_schemas=frozenset(SYSTEM_SCHEMAS),
)
MARIADB = MysqlDialect(
    MYSQL.name, "MariaDB", MYSQL.dates, reserved=MYSQL.reserved, own_schemas=MYSQL.own_schemas
)
