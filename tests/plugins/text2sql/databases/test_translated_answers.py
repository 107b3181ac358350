"""The demo's exams in SQLite's SQL, translated: the other kinds of database give SQLite's rows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.model_dialect import DatabasesAsWritten
from plugins.text2sql.databases.translation.translated_statement import translated
from plugins.text2sql.demo.training.exam import combinations, read_questions, unseen_values
from plugins.text2sql.demo.training.language.world import demo_world
from sched.workflow import SqlResult
from tests.plugins.text2sql.databases.conftest import MARIADB, Shops
from tests.plugins.text2sql.databases.running_statements import AMPLE

KINDS = ("duckdb", "postgresql", MARIADB)
_PLACES = 4
_FREE = Path(__file__).parents[1] / "demo" / "free_questions.jsonl"

# A statement in each line, with one right result: no ties, no value of any row.
_OWN = Path(__file__).with_name("sqlite_statements.sql")
_OF_THE_HIGHEST = "SELECT p.name, max(price) FROM products p"


@pytest.fixture
def registry(shops: Shops, kind: str) -> Iterator[DatabaseRegistry]:
    with closing(shops.registry("sqlite", kind, max_rows=100_000, max_bytes=10**8)) as made:
        yield made


def _values(result: SqlResult) -> list[tuple[Any, ...]]:
    def value(of: Any) -> Any:
        return round(float(of), _PLACES) if isinstance(of, int | float) else of

    return [tuple(map(value, row)) for row in result.rows]


async def _rows(registry: DatabaseRegistry, kind: str, statement: str) -> list[tuple[Any, ...]]:
    result = await registry.execute(kind, statement, AMPLE)
    assert result.ok, f"{statement}\n{result.error}"
    return _values(result)


async def _differing(registry: DatabaseRegistry, kind: str, statements: Sequence[str]) -> list[str]:
    schema = DatabasesAsWritten(registry, "sqlite").schema(kind)
    differing = []
    for statement in statements:
        there = translated(statement, schema)
        one, other = await asyncio.gather(_rows(registry, "sqlite", statement), _rows(registry, kind, there))
        if Counter(one) != Counter(other):
            differing.append(f"{statement}\n{there}\n{one[:3]}\n{other[:3]}")
    return differing


@pytest.fixture(scope="module")
def exams() -> list[str]:
    with demo_world() as world:
        drawn = [*combinations(world, 20), *unseen_values(world, 20)]
    return [question.sql for question in (*drawn, *read_questions(_FREE))]


@pytest.mark.parametrize("kind", KINDS, indirect=True)
async def test_the_exams_have_sqlites_rows(registry: DatabaseRegistry, kind: str, exams: list[str]) -> None:
    assert await _differing(registry, kind, exams) == []


@pytest.mark.parametrize("kind", KINDS, indirect=True)
async def test_what_only_sqlite_takes_has_its_rows(registry: DatabaseRegistry, kind: str) -> None:
    statements = _OWN.read_text("utf-8").splitlines()
    if kind == "mariadb":  # it has no means for a column of the row that has the highest value
        statements.remove(_OF_THE_HIGHEST)
    assert await _differing(registry, kind, statements) == []
