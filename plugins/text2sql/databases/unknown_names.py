"""What a model is told about a name that the database doesn't know: where it was sought, what is near."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.database import UnknownName
from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.schema import DatabaseSchema

_MOST_NEAR = 5
_LIKENESS = 0.6
_MOST_CHARACTERS = 200
"""The message has the name already: a longer one isn't repeated."""
_FILLING = re.compile(r"[\W_]+")

Sources = Mapping[str, Sequence[str]]
"""The columns of each table or CTE, by its name."""


def explained(unknown: UnknownName, statement: str, schema: DatabaseSchema) -> str:
    """Return what to add to the database's message about ``unknown`` in ``statement``; perhaps nothing.

    A table or column that isn't in ``schema`` is never mentioned.
    """
    if unknown.kind == "table":
        near = _alike(unknown.name, [table.name for table in schema.tables])
        return _near(map(schema.dialect.table, near))
    columns = {table.name: [column.name for column in table.columns] for table in schema.tables}
    try:
        tree = parsed_one(statement, schema.dialect.name)
        return _column_explained(unknown.name, tree, columns, schema.dialect)
    except (SqlglotError, RecursionError):
        return ""


def _column_explained(name: str, tree: exp.Expr, columns: Sources, dialect: Dialect) -> str:
    column, sources = _sought(name, tree, columns, dialect)
    word = column.name if column else name
    inside = _alike(word, [known for names in sources.values() for known in names])
    elsewhere = [
        f"{dialect.table(table)}.{dialect.identifier(known)}"
        for table, names in columns.items()
        if table not in sources
        for known in names
        if known.lower() == word.lower()
    ]
    near = [*map(dialect.identifier, inside), *elsewhere][:_MOST_NEAR]
    where = f" in {', '.join(map(dialect.table, sources))}" if sources else ""
    text = ""
    quoted = column is not None and column.this.quoted and not column.table
    if quoted and not near and len(word) <= _MOST_CHARACTERS:
        text = f"; if it is a text, write {dialect.literal(word)}"
    return where + _near(near) + text


def _sought(
    name: str, tree: exp.Expr, columns: Sources, dialect: Dialect
) -> tuple[exp.Column | None, Sources]:
    """Return the column that the database calls ``name``, and the tables where it was sought."""
    for scope in traverse_scope(tree):
        for column in scope.columns:
            if name.lower() in (column.name.lower(), f"{column.table}.{column.name}".lower()):
                wanted = column.table.lower()
                sources: dict[str, Sequence[str]] = {}
                for alias, source in scope.sources.items():
                    if wanted in ("", alias.lower()):
                        sources |= _columns_of(alias, source, columns, dialect)
                return column, sources
    return None, {}


def _columns_of(alias: str, source: exp.Table | Scope, columns: Sources, dialect: Dialect) -> Sources:
    if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
        return {alias: [known for known in source.expression.named_selects if known not in ("", "*")]}
    name = dialect.known_as(source.db, source.name) if isinstance(source, exp.Table) else ""
    return {table: names for table, names in columns.items() if table.lower() == name.lower()}


def _alike(name: str, known: Iterable[str]) -> list[str]:
    """Return the names like ``name``, the likest first; capitals, spaces and underscores don't count."""
    plain: dict[str, list[str]] = {}
    for each in dict.fromkeys(known):
        plain.setdefault(_plain(each), []).append(each)
    same = plain.get(_plain(name))
    if same:
        return same[:_MOST_NEAR]
    found = difflib.get_close_matches(_plain(name), plain, n=_MOST_NEAR, cutoff=_LIKENESS)
    return [each for match in found for each in plain[match]][:_MOST_NEAR]


def _plain(name: str) -> str:
    return _FILLING.sub("", name.lower())


def _near(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"; near: {listed}" if listed else ""
