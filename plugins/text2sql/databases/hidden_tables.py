"""Which tables a statement reads that it may not know."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.dialect import Dialect


def hidden_table(statement: str, shows: Callable[[str], bool], dialect: Dialect) -> str | None:
    """Return a table or view that ``statement`` names and ``shows`` doesn't; ``None`` if there is none.

    A CTE may have any name.  What a view reads inside isn't looked at.  ``statement`` is one SELECT.
    """
    tree = parsed_one(statement, dialect.name)
    tables = [table for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)]
    try:
        own = {
            id(node)
            for scope in traverse_scope(tree)
            for node, source in scope.selected_sources.values()
            if not isinstance(source, exp.Table)
        }
    except (SqlglotError, RecursionError):
        own = set()
    names = [dialect.known_as(table.db, table.name) for table in tables if id(table) not in own]
    # `x IN name` reads a table, too, which sqlglot takes for a column.
    names += [node.args["field"].name for node in tree.find_all(exp.In) if node.args.get("field")]
    return next((name for name in names if not shows(name)), None)
