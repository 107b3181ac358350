"""PostgreSQL's SQL, and which functions no SELECT may call."""

from __future__ import annotations

import re

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from plugins.text2sql.databases.dialect import Dialect

# Functions that reach beyond the data, run SQL from a text, wait, lock, or change something.
_FORBIDDEN = re.compile(
    r"pg_(?!typeof$|column_size$|size_pretty$|client_encoding$).*|_?lo_.*|loread|lowrite|dblink.*"
    r"|(?:query|table|cursor|schema|database)_to_xml.*|set_config|current_setting|setval|nextval|currval"
    r"|lastval|setseed|txid_.*|inet_(?:server|client)_.*|has_.*_privilege|row_security_active|ts_stat"
    r"|ts_rewrite|crosstab.*|connectby|xpath_table|http.*|binary_upgrade.*|brin_.*|gin_.*|gist_.*"
    r"|currtid.*|get_raw_page.*|heap_page.*|bt_.*|file_fdw.*|load_file|sys_.*"
)
# sqlglot takes the name in U&"pg\005fsleep" for another one.
_ESCAPED = re.compile(r"(?<![\w$])U&[\"']", re.IGNORECASE)
SAFE_VOLATILE = (
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
)
"""PostgreSQL's own functions that differ from call to call and change nothing."""


class PostgresqlDialect(Dialect):
    """PostgreSQL's, with whole families of functions forbidden."""

    def forbids(self, function: str) -> bool:
        """Whether ``function`` reaches beyond the data."""
        return _FORBIDDEN.fullmatch(function) is not None

    def misread(self, statement: str) -> str | None:
        """Return the word for names and texts with Unicode escapes, wherever they stand."""
        return "a name or text with U&" if _ESCAPED.search(statement) else None


POSTGRESQL = PostgresqlDialect(
    "postgres",
    "PostgreSQL",
    "Write dates like DATE '2025-01-31'.",
    reserved=frozenset(RESERVED_WORDS),
    default_schema="public",
    own_schemas=frozenset({"pg_catalog", "information_schema", "pg_toast"}),
    own_tables=("pg_",),
)
