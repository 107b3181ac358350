"""A model's SQL for a database that speaks another dialect.

sqlglot translates functions and syntax.  What it lacks is added here for SQLite's SQL, which most models of
Text-to-SQL learned: SQLite compares and converts values of any types, finds names and LIKE's texts whatever
their case, and takes columns that are neither grouped nor aggregated.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.safety import MAX_STATEMENT_CHARACTERS
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.databases.translation.bare_columns import group_as
from plugins.text2sql.databases.translation.moments import rewrite_moments
from plugins.text2sql.databases.translation.nulls_order import order_nulls
from plugins.text2sql.databases.translation.resolved_names import resolve
from plugins.text2sql.databases.translation.value_types import convert_values


def translated(statement: str, schema: DatabaseSchema) -> str:
    """Return ``statement``, written in the dialect of ``schema``, in that of its database.

    Takes some milliseconds.  It means the same there, with these exceptions: texts are equal and ordered as
    the database's collation has it; a column that is neither grouped nor aggregated has the value of any row,
    perhaps another one; a text and a number are compared as texts.  What isn't one query, or can't be
    translated, is returned as it is: the database's error says what is wrong with it.
    """
    written_in, target = schema.dialect, schema.runs_as
    if target is None or len(statement) > MAX_STATEMENT_CHARACTERS:
        return statement
    try:
        tree = parsed_one(statement, written_in.name)
        if not isinstance(tree, exp.Query):
            return statement
        resolve(tree, schema.tables, target)
        if written_in.name == SQLITE.name:
            rewrite_moments(tree, target.name)
            convert_values(tree, target.name)
            group_as(tree, target.name)
            order_nulls(tree, target.name)
        return tree.sql(dialect=target.name)
    except (SqlglotError, RecursionError, ValueError):
        return statement
