"""A statement that was parsed, and whose names were resolved, instead of being run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from plugins.text2sql.databases.known_names import unknown_name
from plugins.text2sql.databases.safety import UnsafeSqlError, check_select
from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.unknown_names import explained
from sched.workflow import SqlResult


@dataclass(frozen=True, slots=True)
class CheckedStatement(SqlResult):
    """One in which the check found no error.  It has no rows since it was not run."""


def checked_statement(statement: str, schema: DatabaseSchema) -> SqlResult:
    """Return what is wrong with ``statement``, in the dialect of the database, or a ``CheckedStatement``.

    It must be one SELECT that may run, of tables and columns of ``schema``.  Takes some milliseconds.
    """
    own = replace(schema, dialect=schema.runs_as or schema.dialect, runs_as=None)
    try:
        statement = check_select(statement, own.dialect)
    except UnsafeSqlError as error:
        return SqlResult(statement, error=str(error), error_kind="rejected")
    unknown = unknown_name(statement, own)
    if unknown is not None:
        message = f"no such {unknown.kind}: {unknown.name}{explained(unknown, statement, own)}"
        return SqlResult(statement, error=message, error_kind="invalid")
    return CheckedStatement(statement)
