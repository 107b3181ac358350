"""Worked examples for the long prompts: questions over four small databases, written by hand in TOML.

The SQL is put together from the parts of each example, and results and error messages come from running
it, so that an example can't say what SQLite wouldn't.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from plugins.text2sql.databases.schema import DatabaseSchema
from plugins.text2sql.databases.sqlite.introspection import introspect
from sched.workflow import SqlResult

FOLDER = Path(__file__).parent / "examples"
_OF_SQLITE = re.compile(r"SQLite|strftime|julianday|Dates are text", re.IGNORECASE)
_JOINS = {"join": "JOIN ", "left join": "LEFT JOIN "}
_CLAUSES = (
    ("select", "SELECT ", ", "),
    ("from", "FROM ", ", "),
    ("join", "", "\n"),
    ("where", "WHERE ", "\nAND "),
    ("group", "GROUP BY ", ", "),
    ("having", "HAVING ", " AND "),
    ("order", "ORDER BY ", ", "),
    ("limit", "LIMIT ", ""),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A clause of a statement, the part of the question it answers, and why it is as it is."""

    clause: str
    sql: str
    ask: str
    why: str

    @property
    def text(self) -> str:
        """The clause as SQL, with its word."""
        words = {name: word for name, word, _ in _CLAUSES} | _JOINS
        return words[self.clause] + self.sql


def assemble(parts: Sequence[Part]) -> str:
    """Return the statement of ``parts``, a clause a line; ``SELECT …`` where none says what is selected."""
    lines = []
    for name, word, separator in _CLAUSES:
        if name == "join":
            chosen = [part.text for part in parts if part.clause in _JOINS]
        else:
            chosen = [part.sql for part in parts if part.clause == name]
        if chosen:
            lines.append(word + separator.join(chosen))
        elif name == "select":
            lines.append("SELECT …")
    return "\n".join(lines)


@dataclass(frozen=True)
class Example:
    """A question with its parts.

    ``wrong`` and ``rival`` replace a piece of the statement: the one fails or finds nothing, for the
    reason ``cause``; the other finds other rows, and ``tests`` tell it from the right statement.
    """

    ask: str
    keywords: tuple[str, ...]
    parts: tuple[Part, ...]
    wrong: tuple[str, str]
    cause: str
    rival: tuple[str, str] | None
    tests: tuple[str, ...]

    @cached_property
    def sql(self) -> str:
        """The right statement."""
        return assemble(self.parts)

    @property
    def wrong_sql(self) -> str:
        """The statement with the mistake."""
        return self.sql.replace(*self.wrong)

    @property
    def rival_sql(self) -> str:
        """The statement with other rows; the right one where there is none."""
        return self.sql.replace(*self.rival) if self.rival else self.sql

    @property
    def portable(self) -> bool:
        """Whether it says nothing that holds for SQLite alone."""
        said = (self.sql, self.wrong_sql, self.rival_sql, self.cause, *(part.why for part in self.parts))
        return not any(_OF_SQLITE.search(text) for text in said)

    def tables(self, schema: DatabaseSchema) -> list[str]:
        """Return the tables that the statement uses, in the schema's order."""
        return [table.name for table in schema.tables if re.search(rf"\b{table.name}\b", self.sql)]


class ExampleDatabase:
    """One of the small databases, in memory, with its examples."""

    def __init__(self, engine: sa.Engine, examples: tuple[Example, ...]) -> None:
        self.schema = introspect(engine)
        self.examples = examples
        self._engine = engine

    def run(self, statement: str) -> SqlResult:
        """Return what SQLite makes of ``statement``."""
        try:
            with self._engine.connect() as connection, connection.exec_driver_sql(statement) as result:
                return SqlResult(statement, tuple(result.keys()), tuple(map(tuple, result)))
        except DBAPIError as error:
            return SqlResult(statement, error=str(error.orig), error_kind="invalid")


@contextmanager
def example_databases(
    folder: Path = FOLDER, *, portable: bool = False
) -> Iterator[tuple[ExampleDatabase, ...]]:
    """Open the databases of all files in ``folder``, by name; closed at the end.

    ``portable``: with the examples only that hold for any database.

    Raises:
        OSError, tomllib.TOMLDecodeError, KeyError: a file is missing or wrong.
    """
    engines = []
    try:
        databases = []
        for file in sorted(folder.glob("*.toml")):
            data = tomllib.loads(file.read_text(encoding="utf-8"))
            engines.append(_filled(data["tables"], data["rows"]))
            examples = [_example(question) for question in data["questions"]]
            kept = tuple(example for example in examples if example.portable or not portable)
            databases.append(ExampleDatabase(engines[-1], kept))
        yield tuple(databases)
    finally:
        for engine in engines:
            engine.dispose()


def _filled(tables: str, rows: Mapping[str, list[list[Any]]]) -> sa.Engine:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        for statement in filter(str.strip, tables.split(";")):
            connection.exec_driver_sql(statement)
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            # TOML has no NULL: an empty text stands for it.
            filled = [tuple(None if value == "" else value for value in row) for row in values]
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", filled)  # noqa: S608
    return engine


def _example(data: Mapping[str, Any]) -> Example:
    return Example(
        ask=data["ask"],
        keywords=tuple(data["keywords"]),
        parts=tuple(Part(*part) for part in data["parts"]),
        wrong=_pair(data["wrong"]),
        cause=data["cause"],
        rival=_pair(data["rival"]) if "rival" in data else None,
        tests=tuple(data.get("tests", ())),
    )


def _pair(values: Sequence[str]) -> tuple[str, str]:
    old, new = values
    return old, new
