"""What of a database an answer uses, and why: by what the stages found and by the SQL, without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from plugins.text2sql.databases.bounded_parser import parsed_one
from plugins.text2sql.databases.schema import DatabaseSchema, Table
from plugins.text2sql.information import Information
from plugins.text2sql.options import Job
from plugins.text2sql.retrieval.likeness import alike, folded
from plugins.text2sql.spans import MOST_NAME_WORDS, spans

_CLAUSES: dict[type[exp.Expr], str] = {
    exp.Join: "join",
    exp.Where: "where",
    exp.Group: "group by",
    exp.Having: "having",
    exp.Order: "order by",
    exp.Limit: "limit",
}
_NOTHING = Information()


async def explanation(
    job: Job, sql: str | None, information: Information = _NOTHING, linked: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the answer with ``sql`` uses, JSON-ready; ``linked`` are the tables that linking chose.

    ``tables`` have their ``columns`` in the SQL, each with the clauses where it stands.  ``values`` are
    retrieval's, each with the ``word`` of the question or keyword that it matched, ``exactly`` or nearly.
    ``conditions`` and ``joins`` are those of the SQL.  Takes some milliseconds, in a thread.
    """
    return await asyncio.to_thread(_explained, job, sql, information, linked)


def _explained(job: Job, sql: str | None, information: Information, linked: Sequence[str]) -> dict[str, Any]:
    scopes = _scopes(sql, job.schema) if sql else []
    used = _used(scopes, job.schema)
    names = dict.fromkeys([*linked, *used])
    said = {folded(literal.name) for scope in scopes for literal in scope.expression.find_all(exp.Literal)}
    return {
        "tables": [
            {
                "name": name,
                "linked": name in linked,
                "in_sql": name in used,
                "columns": [
                    {"name": column, "used_in": list(clauses)}
                    for column, clauses in used.get(name, {}).items()
                ],
            }
            for name in names
        ],
        "values": [_value(job, line, information.keywords, said) for line in information.values],
        "retrieved_columns": list(information.columns),
        "conditions": list(_conditions(scopes, job.schema)),
        "joins": list(_joins(scopes, job.schema)),
    }


def _scopes(sql: str, schema: DatabaseSchema) -> list[Scope]:
    try:
        return list(traverse_scope(parsed_one(sql, _dialect(schema))))
    except (SqlglotError, RecursionError):
        return []


def _dialect(schema: DatabaseSchema) -> str:
    return (schema.runs_as or schema.dialect).name


def _used(scopes: Sequence[Scope], schema: DatabaseSchema) -> dict[str, dict[str, dict[str, None]]]:
    """Return the tables in the SQL, their columns there, and the clauses of each."""
    known = {table.name.casefold(): table for table in schema.tables}
    dialect = schema.runs_as or schema.dialect
    used: dict[str, dict[str, dict[str, None]]] = {}
    for scope in scopes:
        sources: dict[str, Table] = {}
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table):
                table = known.get(dialect.known_as(source.db, source.name).casefold())
                if table is not None:
                    sources[alias.casefold()] = table
                    used.setdefault(table.name, {})
        for column in scope.columns:
            for alias, table in sources.items():
                found = next((c for c in table.columns if c.name.casefold() == column.name.casefold()), None)
                if found is not None and column.table.casefold() in ("", alias):
                    used[table.name].setdefault(found.name, {})[_clause(column)] = None
                    break
    return used


def _clause(node: exp.Expr) -> str:
    """Return the clause in which ``node`` stands."""
    around = node.parent
    while around is not None and not isinstance(around, exp.Select):
        if type(around) in _CLAUSES:
            return _CLAUSES[type(around)]
        around = around.parent
    return "select"


def _conditions(scopes: Sequence[Scope], schema: DatabaseSchema) -> Iterator[dict[str, str]]:
    for scope in scopes:
        for kind in (exp.Where, exp.Having):
            clause = scope.expression.args.get(_CLAUSES[kind])
            if clause is not None:
                whole = clause.this
                parts = whole.flatten() if isinstance(whole, exp.And) else [whole]
                for part in parts:
                    yield {"clause": _CLAUSES[kind], "sql": part.sql(dialect=_dialect(schema))}


def _joins(scopes: Sequence[Scope], schema: DatabaseSchema) -> Iterator[dict[str, str | None]]:
    dialect = _dialect(schema)
    for scope in scopes:
        for join in scope.expression.args.get("joins") or ():
            on = join.args.get("on")
            using = ", ".join(column.sql(dialect=dialect) for column in join.args.get("using") or ())
            yield {
                "table": join.this.sql(dialect=dialect),
                "kind": (join.side or join.kind or ("inner" if on or using else "cross")).lower(),
                "on": on.sql(dialect=dialect) if on else (f"using {using}" if using else None),
            }


def _value(job: Job, line: str, keywords: Sequence[str], said: set[str]) -> dict[str, Any]:
    """Return a retrieved condition with the words that it matched."""
    text = folded(line.partition(" = ")[2].strip("'").replace("''", "'"))
    topic = job.topic
    words = dict.fromkeys([*keywords, *spans(topic.question, MOST_NAME_WORDS), *spans(topic.hint, 3)])
    same = next((word for word in words if folded(word) == text), None)
    near = same or next((word for word in words if alike(folded(word), text)), None)
    return {"condition": line, "word": near, "exactly": same is not None, "in_sql": text in said}
