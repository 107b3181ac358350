"""A model that writes SQLite's SQL answers questions to a database of another kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launch.database_kinds import kind_of
from plugins.majority.majority import Majority
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.model_dialect import DatabasesAsWritten
from plugins.text2sql.demo.demo_profile import DemoProfile
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.workflow_kind import Resources
from tests.plugins.text2sql.databases.shops import duckdb_shop, sqlite_shop
from tests.plugins.text2sql.scripted_shop import a_request, scripted
from tests.plugins.text2sql.scripted_steps import Journal, Model, ScriptedSteps

SQLITES = "SELECT strftime('%Y', ordered_on) AS y, count(*) FROM Orders WHERE status LIKE 'CANC%' GROUP BY y"
THERE = "SELECT STRFTIME(ordered_on, '%Y') AS y, COUNT(*) FROM orders WHERE status ILIKE 'CANC%' GROUP BY y"
UNKNOWN = "SELECT julianday(ordered) FROM orders"


@pytest.fixture(scope="module")
def duckdb_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseRegistry]:
    folder = tmp_path_factory.mktemp("shop")
    address = duckdb_shop(Path(sqlite_shop(folder)), folder)
    with closing(DatabaseRegistry()) as made:
        made.register("shop", kind_of("shop", address), address)
        yield made


async def _answer(
    registry: DatabaseRegistry, model: Model, kind: type = Text2Sql, **options: Any
) -> tuple[dict[str, Any], Journal]:
    resources = Resources(DatabasesAsWritten(registry, "sqlite"), Compact(), Text2SqlOptions(**options))
    workflow = Majority().open(resources) if kind is Majority else Text2Sql(resources)
    steps = ScriptedSteps(model, registry)
    return await workflow.program(a_request(), "shop")(steps), steps.journal


async def test_the_answer_has_what_ran_and_prompts_name_the_models_dialect(
    duckdb_registry: DatabaseRegistry,
) -> None:
    answer, journal = await _answer(duckdb_registry, scripted(generate_candidate=SQLITES), candidates=1)
    assert (answer["status"], answer["sql"], journal.statements) == ("ok", THERE, [THERE])
    prompt = journal.of("generate_candidate")[0].prompt
    assert "SQLite" in prompt
    assert "DuckDB" not in prompt


async def test_an_error_is_shown_with_the_models_own_statement(duckdb_registry: DatabaseRegistry) -> None:
    model = scripted(generate_candidate=UNKNOWN, revise=SQLITES)
    answer, journal = await _answer(duckdb_registry, model, candidates=1)
    (revision,) = journal.of("revise")
    assert f"Statement:\n{UNKNOWN}\n" in revision.context()
    assert "near: ordered_on" in revision.context()
    assert answer["sql"] == THERE
    assert answer["candidates"][0]["revisions"] == 1


async def test_what_unit_tests_compare_is_as_the_model_wrote_it(duckdb_registry: DatabaseRegistry) -> None:
    other = SQLITES.replace("CANC%", "deliv%")
    written = [SQLITES, other, SQLITES.replace("CANC%", "ship%")]
    model = scripted(generate_candidate=written)
    _, journal = await _answer(duckdb_registry, model, candidates=3)
    shown = journal.of("generate_unit_test")[0].context()
    assert all(statement in shown for statement in written)


async def test_a_vote_translates_too(duckdb_registry: DatabaseRegistry) -> None:
    answer, _ = await _answer(duckdb_registry, scripted(generate_candidate=SQLITES), Majority, candidates=1)
    assert answer["sql"] == THERE


async def test_a_statement_that_cant_be_translated_runs_as_it_is(duckdb_registry: DatabaseRegistry) -> None:
    model = scripted(generate_candidate="```sql\nSELECT count(* FROM orders\n```")
    answer, journal = await _answer(duckdb_registry, model, candidates=1, max_revisions=0)
    assert answer["status"] == "no_sql_ran"
    assert journal.statements == ["SELECT count(* FROM orders"]


def test_the_demo_model_writes_sqlites_sql() -> None:
    assert DemoProfile().sql_dialect == "sqlite"
    assert Compact().sql_dialect is None
