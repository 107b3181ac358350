"""Whether a database knows the tables and columns that a statement names, told without running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.database import UnknownName
from plugins.text2sql.databases.schema import DatabaseSchema, Table

_HIDDEN = frozenset({"rowid", "oid", "_rowid_", "ctid", "tableoid"})
"""Columns that tables have without naming them, as SQLite's and PostgreSQL's do."""

_Outputs = frozenset[str] | None
"""The columns of a source, in small letters; ``None`` where nothing tells them."""


def unknown_name(statement: str, schema: DatabaseSchema) -> UnknownName | None:
    """Return the first table or column of ``statement``, one SELECT, that isn't in ``schema``.

    Where it can't be told, as for the columns of a function's result, a name is taken for known: this check
    refuses nothing that might run.
    """
    try:
        tree = parsed_one(statement, schema.dialect.name)
        scopes = list(traverse_scope(tree))
    except (SqlglotError, RecursionError):
        return None
    tables = {table.name.casefold(): table for table in schema.tables}
    for scope in scopes:
        found = _unknown_table(scope, tables, schema) or _unknown_column(scope, tables, schema)
        if found is not None:
            return found
    return None


def _unknown_table(scope: Scope, tables: Mapping[str, Table], schema: DatabaseSchema) -> UnknownName | None:
    for source in scope.sources.values():
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            name = schema.dialect.known_as(source.db, source.name)
            if name.casefold() not in tables:
                return UnknownName("table", name)
    return None


def _unknown_column(scope: Scope, tables: Mapping[str, Table], schema: DatabaseSchema) -> UnknownName | None:
    query = scope.expression
    selects = query.selects if isinstance(query, exp.Query) else []
    named = {each.alias.casefold() for each in selects if isinstance(each, exp.Alias)}
    reachable = [(name.casefold(), _outputs(source, tables, schema)) for name, source in _sources(scope)]
    known = _HIDDEN | {column for _, outputs in reachable for column in outputs or ()}
    open_ended = any(outputs is None for _, outputs in reachable)
    # Those of the queries within it come with scopes of their own.
    for column in (each for each in scope.columns if each.parent_select is query):
        name, of = column.name.casefold(), column.table.casefold()
        if not of:
            if not open_ended and name not in known | named:
                return UnknownName("column", column.name)
            continue
        within = [outputs for source, outputs in reachable if source == of]
        # What stands in front of the point may be a column whose value has parts.
        is_part = not within and (open_ended or of in known)
        is_known = any(outputs is None or name in outputs | _HIDDEN for outputs in within)
        if not (is_known or is_part):
            return UnknownName("column", f"{column.table}.{column.name}")
    return None


def _sources(scope: Scope) -> Iterator[tuple[str, exp.Expr | Scope]]:
    """Yield what a column in ``scope`` may belong to: a correlated subquery sees those around it."""
    around: Scope | None = scope
    while around is not None:
        yield from around.sources.items()
        around = around.parent


def _outputs(source: exp.Expr | Scope, tables: Mapping[str, Table], schema: DatabaseSchema) -> _Outputs:
    if isinstance(source, exp.Table):
        table = tables.get(schema.dialect.known_as(source.db, source.name).casefold())
        renamed = source.args.get("alias") and source.args["alias"].columns
        return frozenset(c.name.casefold() for c in table.columns) if table and not renamed else None
    if not isinstance(source, Scope) or source.outer_columns:
        return None
    query = source.expression
    if not isinstance(query, exp.Query) or query.is_star:
        return None
    if not all(isinstance(each, exp.Alias | exp.Column) for each in query.selects) and not _renamed(source):
        return None  # a database names an expression without an alias as it likes
    return frozenset(name.casefold() for name in query.named_selects)


def _renamed(source: Scope) -> bool:
    """Return whether the query that is a source lists the names of its columns itself: ``x (a, b)``."""
    holder = source.expression.parent
    alias = holder.args.get("alias") if holder is not None else None
    return isinstance(alias, exp.TableAlias) and bool(alias.columns)
