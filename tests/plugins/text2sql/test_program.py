"""The workflow goes through its stages, repairs, tests and selects; every answer may be bad."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

import pytest

from plugins.majority.majority import Majority
from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.databases.schema import Column, DatabaseSchema, Kind, Table
from plugins.text2sql.databases.sqlite.sqlite_dialect import SQLITE
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact, Full, Profile
from plugins.text2sql.program import Text2Sql
from plugins.workflow_kind import Resources
from sched.errors import ConfigError, NotFoundError
from sched.predict.stage_profile import PUBLISHED
from sched.workflow import Segment, SegmentKind
from tests.plugins.text2sql.scripted_shop import (
    EMPTY,
    OTHER,
    RIGHT,
    RIGHT_TOO,
    WRONG,
    FakeRetrieval,
    a_request,
    run,
    scripted,
)
from tests.plugins.text2sql.scripted_steps import Call, Journal


async def test_all_stages_run_in_the_published_order(registry: DatabaseRegistry) -> None:
    """Retrieval, linking, candidates, tests and evaluation follow each other; decisions are calls too."""
    retrieval = FakeRetrieval()
    model = scripted(generate_candidate=[WRONG, RIGHT, OTHER])
    answer, journal = await run(registry, model, retrieval)
    assert journal.stages() == [
        "information_retrieval",
        "extract_keywords",
        *["information_retrieval"] * 3,
        "schema_linking",
        *["generate_candidate"] * 3,
        "unit_tester",
        "generate_unit_test",
        "unit_tester",
        *["evaluate"] * 2,
        "unit_tester",
    ]
    assert set(journal.stages()) <= set(PUBLISHED)
    assert retrieval.asked == [["customers", "live", "Germny"]]
    assert answer["status"] == "ok"
    assert answer["sql"] == RIGHT
    assert answer["tables"] == ["customers"]
    assert answer["retrieval"]["values"] == ["customers.country = 'Germany'"]
    assert answer["unit_tests"] == ["Only customers from Germany are counted.", "There is one row."]
    assert [candidate["tests_passed"] for candidate in answer["candidates"]] == [0, 2, 0]


async def test_what_was_retrieved_enters_the_prompts_as_context(registry: DatabaseRegistry) -> None:
    """Values and columns come after the question, so that template and schema stay shared."""
    model = scripted(generate_candidate=[EMPTY, RIGHT, OTHER], revise=WRONG)
    _, journal = await run(registry, model, FakeRetrieval())
    for stage in ("schema_linking", "generate_candidate", "revise", "generate_unit_test", "evaluate"):
        for call in journal.of(stage):
            assert "customers.country = 'Germany'" in call.context(), stage
            kinds = [kind for kind, _ in groupby(segment.kind for segment in call.segments)]
            assert kinds == [
                SegmentKind.TEMPLATE,
                SegmentKind.SCHEMA,
                SegmentKind.QUESTION,
                SegmentKind.CONTEXT,
            ]
    for stage in ("information_retrieval", "extract_keywords", "unit_tester"):
        assert {s.kind for call in journal.of(stage) for s in call.segments} == {
            SegmentKind.TEMPLATE,
            SegmentKind.QUESTION,
            SegmentKind.CONTEXT,
        }


async def test_a_question_before_the_index_is_ready_says_so(registry: DatabaseRegistry) -> None:
    """It goes on without values, and its answer tells the user."""
    answer, journal = await run(registry, scripted(), FakeRetrieval(note="the index is being made"))
    assert answer["status"] == "ok"
    assert answer["retrieval"]["notes"] == ["the index is being made"]
    assert answer["retrieval"]["values"] == []
    assert "Values found" not in journal.of("schema_linking")[0].prompt


async def test_without_retrieval_the_workflow_begins_with_linking(registry: DatabaseRegistry) -> None:
    """No keywords are asked for that nothing would use."""
    answer, journal = await run(registry, scripted())
    assert journal.stages()[0] == "schema_linking"
    assert answer["retrieval"]["keywords"] == []


async def test_evaluations_run_side_by_side_on_a_shared_prefix(registry: DatabaseRegistry) -> None:
    """One call per test, all at once; only the last segment differs between them."""
    tests = "- First.\n- Second.\n- Third.\n- Fourth.\n- Fifth is too many."
    model = scripted(generate_candidate=[WRONG, RIGHT, OTHER], generate_unit_test=tests)

    async def together(call: Call, journal: Journal) -> None:
        if call.stage == "evaluate":
            await journal.passes(lambda: len(journal.of("evaluate")) == 4)

    _, journal = await run(registry, model, hold=together)
    calls = journal.of("evaluate")
    assert len(calls) == 4
    assert len({call.segments[:-1] for call in calls}) == 1
    assert [call.segments[-1].text.splitlines()[0] for call in calls] == [
        "Test: First.",
        "Test: Second.",
        "Test: Third.",
        "Test: Fourth.",
    ]
    assert max(call.running_beside for call in calls) == 4
    assert all(statement in calls[0].context() for statement in (WRONG, RIGHT, OTHER))
    assert "CREATE TABLE customers" in calls[0].prompt
    assert "CREATE TABLE orders" not in calls[0].prompt


async def test_tests_outvote_the_order_of_candidates_and_agreement_breaks_ties(
    registry: DatabaseRegistry,
) -> None:
    """Most tests passed wins; equal ones fall back to agreement, then to the first candidate."""
    four = [WRONG, OTHER, RIGHT, RIGHT_TOO]
    verdicts = "Candidate 1: passed\nCandidate 2: passed\nCandidate 3: passed"
    answer, journal = await run(
        registry, scripted(generate_candidate=four, evaluate=verdicts), candidates=4, max_revisions=0
    )
    assert len(journal.of("evaluate")) == 2
    assert answer["sql"] == RIGHT
    assert [candidate["agreed"] for candidate in answer["candidates"]] == [1, 1, 2, 2]
    answer, _ = await run(registry, scripted(generate_candidate=[WRONG, OTHER, RIGHT], evaluate=""))
    assert answer["sql"] == WRONG


def test_the_plan_names_every_stage_with_its_expected_visits(registry: DatabaseRegistry) -> None:
    """Decisions, parallel stages once, revisions; what an option switches off is not expected."""
    options = Text2SqlOptions()
    text2sql = Text2Sql(Resources(registry, Compact(), options, FakeRetrieval()))
    plan = {step.stage: step.visits for step in text2sql.plan(a_request())}
    assert list(plan) == [
        stages.INFORMATION_RETRIEVAL,
        stages.EXTRACT_KEYWORDS,
        stages.SCHEMA_LINKING,
        stages.GENERATE_CANDIDATE,
        stages.REVISE,
        stages.UNIT_TESTER,
        stages.GENERATE_UNIT_TEST,
        stages.EVALUATE,
    ]
    assert plan[stages.INFORMATION_RETRIEVAL] == 4
    assert plan[stages.GENERATE_CANDIDATE] == 1
    assert 0 < plan[stages.REVISE] < 2
    bare = Text2Sql(Resources(registry, Compact(), Text2SqlOptions(max_revisions=0)))
    assert [step.stage for step in bare.plan(a_request(candidates=1))] == [
        "schema_linking",
        "generate_candidate",
    ]


async def test_a_profile_that_does_not_fit_the_model_is_refused(registry: DatabaseRegistry) -> None:
    """The error names the option, the tokens needed and those there are, and the remedy."""

    async def count(segments: Any) -> int:
        assert all(isinstance(segment, Segment) for segment in segments)
        return sum(len(segment.text) for segment in segments) // 4

    full = Text2Sql(Resources(registry, Full(), Text2SqlOptions()))
    with pytest.raises(ConfigError, match=r"full prompts about database 'shop' need \d+ tokens") as caught:
        await full.check_context("shop", 8192, count)
    assert caught.value.field == "prompt_profile"
    assert "--prompt-profile compact" in str(caught.value)
    await full.check_context("shop", 32_768, count)
    await Text2Sql(Resources(registry, Compact(), Text2SqlOptions())).check_context("shop", 8192, count)


class Verbose(Compact):
    """A profile of one's own."""

    when_too_long = "choose my terse one"


async def test_the_remedy_for_long_prompts_is_the_profiles(registry: DatabaseRegistry) -> None:
    """Nothing but the profile knows a shorter one."""

    async def count(segments: Any) -> int:
        return 9_000 if any(segment.kind == SegmentKind.TEMPLATE for segment in segments) else 0

    text2sql = Text2Sql(Resources(registry, Verbose(), Text2SqlOptions()))
    with pytest.raises(ConfigError, match=r"has 8192: choose my terse one$"):
        await text2sql.check_context("shop", 8192, count)


class ManyTables:
    """A database of 1,001 small tables."""

    def schema(self, database: str) -> DatabaseSchema:
        column = Column("id", "INTEGER", nullable=True, primary_key=True, kind=Kind.NUMBER, samples=())
        return DatabaseSchema(tuple(Table(f"entries_{i}", (column,), (), 1) for i in range(1001)), SQLITE)


@pytest.mark.parametrize("profile", [Full(), Compact()])
async def test_a_schema_that_fits_no_prompt_is_named_as_the_reason(profile: Profile) -> None:
    """Another profile wouldn't help with 1,001 tables: fewer of them must be shown."""

    async def count(segments: Any) -> int:
        return sum(len(segment.text) for segment in segments) // 4

    majority = Majority().open(Resources(ManyTables(), profile, Text2SqlOptions()))
    with pytest.raises(ConfigError) as caught:
        await majority.check_context("many", 16_384, count)
    assert re.search(
        r"its 1001 tables and views alone take \d+; show fewer of them "
        r"\(include, exclude in \[database_options.many\]\)",
        caught.value.message,
    )
    assert "compact one" not in caught.value.message


def test_preparing_begins_the_index_and_knows_its_databases(registry: DatabaseRegistry) -> None:
    """The index is begun with the first use of a database, not by every question."""
    retrieval = FakeRetrieval()
    text2sql = Text2Sql(Resources(registry, Compact(), Text2SqlOptions(), retrieval))
    text2sql.prepare("shop")
    text2sql.program(a_request(), "shop")
    assert retrieval.prepared == ["shop"]
    with pytest.raises(NotFoundError):
        text2sql.program(a_request(), "shpo")
