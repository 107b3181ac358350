"""The names of a statement as the database spells them, and the types of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.scope import Scope, traverse_scope

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.schema import Column, Kind, Table

SOURCE, KEYS, REQUIRED = "source", "keys", "required"
"""What is noted of a column (``meta``): the table's name in the query, the table's primary key, and whether
it is never NULL in its table."""

_OF_KIND = {Kind.TEXT: "TEXT", Kind.NUMBER: "DOUBLE", Kind.DATE: "TIMESTAMP", Kind.OTHER: "UNKNOWN"}


def resolve(tree: exp.Query, listed: Iterable[Table], dialect: Dialect) -> None:
    """Spell the names in ``tree`` as a database with the ``listed`` tables does, and note all types.

    Derived tables get a name.

    Raises:
        SqlglotError: a name stands for two tables.
    """
    tables = {table.name.casefold(): table for table in listed}
    for number, derived in enumerate(tree.find_all(exp.Subquery)):
        if isinstance(derived.parent, exp.From | exp.Join) and not derived.alias:
            derived.set("alias", exp.TableAlias(this=exp.to_identifier(f"derived_{number}")))
    spelled: set[int] = set()
    added: list[exp.Column] = []
    for scope in traverse_scope(tree):
        known = {name.casefold(): (name, source) for name, source in scope.sources.items()}
        for column in scope.columns:
            if id(column) in spelled:
                continue
            found = _source_of(column, known, tables, dialect)
            if found is None:
                continue
            name, source, in_table = found
            spelled.add(id(column))
            if not column.table:
                added.append(column)
            column.set("table", _name_of(name, source, tables, dialect))
            if isinstance(in_table, Column):
                column.set("this", _identifier(in_table.name, dialect))
                column.type = _type(in_table, dialect)
                table = _table(source, tables, dialect)
                assert table is not None
                keys = [each.name for each in table.columns if each.primary_key]
                column.meta.update({SOURCE: name, KEYS: keys, REQUIRED: not in_table.nullable})
        for source in scope.sources.values():
            table = _table(source, tables, dialect)
            if isinstance(source, exp.Table) and table is not None:
                _spell_table(source, table, dialect)
    annotate_types(tree, overwrite_types=False)
    for column in added:
        column.set("table", None)
    _spell_others(tree, spelled, dialect)


def _source_of(
    column: exp.Column,
    known: Mapping[str, tuple[str, exp.Expr | Scope]],
    tables: Mapping[str, Table],
    dialect: Dialect,
) -> tuple[str, exp.Expr | Scope, Column | None] | None:
    """Return in which of ``known`` sources ``column`` is found, under which name, and as what of a table."""
    wanted = column.table.casefold()
    for key, (name, source) in known.items():
        if wanted not in ("", key):
            continue
        table = _table(source, tables, dialect)
        for each in table.columns if table else ():
            if each.name.casefold() == column.name.casefold():
                return name, source, each
        if wanted or column.name.casefold() in _outputs(source):
            return name, source, None
    return None


def _outputs(source: exp.Expr | Scope) -> list[str]:
    if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
        return [name.casefold() for name in source.expression.named_selects]
    return []


def _table(source: exp.Expr | Scope, tables: Mapping[str, Table], dialect: Dialect) -> Table | None:
    if not isinstance(source, exp.Table):
        return None
    return tables.get(dialect.known_as(source.db, source.name).casefold())


def _spell_table(source: exp.Table, table: Table, dialect: Dialect) -> None:
    schema, _, name = table.name.rpartition(".") if dialect.default_schema else ("", "", table.name)
    source.set("this", _identifier(name, dialect))
    if schema or source.db:
        source.set("db", _identifier(schema or dialect.default_schema, dialect))


def _name_of(
    name: str, source: exp.Expr | Scope, tables: Mapping[str, Table], dialect: Dialect
) -> exp.Identifier:
    """Return what stands before a column of ``source``, which the query knows by ``name``."""
    table = _table(source, tables, dialect)
    if table is not None and isinstance(source, exp.Table) and not source.alias:
        return _identifier(table.name.rpartition(".")[2] if dialect.default_schema else table.name, dialect)
    return _own_identifier(name, dialect)


def _spell_others(tree: exp.Query, spelled: set[int], dialect: Dialect) -> None:
    """Spell the names that the query itself gives alike wherever they stand."""
    first: dict[str, str] = {}
    for named in _own_names(tree, spelled):
        name = first.setdefault(named.name.casefold(), named.name)
        own = _own_identifier(name, dialect)
        if named.args.get("quoted") and name != name.lower():
            own.set("quoted", True)
        named.set("this", own.this)
        named.set("quoted", own.args.get("quoted"))


def _own_names(tree: exp.Query, spelled: set[int]) -> Iterator[exp.Identifier]:
    for identifier in list(tree.find_all(exp.Identifier)):
        parent = identifier.parent
        if isinstance(parent, exp.Alias | exp.TableAlias) or (
            isinstance(parent, exp.Column) and id(parent) not in spelled
        ):
            yield identifier


def _identifier(name: str, dialect: Dialect) -> exp.Identifier:
    return exp.to_identifier(name, quoted=dialect.identifier(name) != name)


def _own_identifier(name: str, dialect: Dialect) -> exp.Identifier:
    """Return a name that the query gave, quoted only if it must be."""
    return exp.to_identifier(name, quoted=dialect.identifier(name.lower()) != name.lower())


def _type(column: Column, dialect: Dialect) -> exp.DataType:
    try:
        found = exp.DataType.build(column.type, dialect=dialect.name)
    except (SqlglotError, ValueError):
        found = exp.DataType.build("UNKNOWN")
    if found.is_type(exp.DType.UNKNOWN, exp.DType.USERDEFINED):
        return exp.DataType.build(_OF_KIND[column.kind])
    return found
