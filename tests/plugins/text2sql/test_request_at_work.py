"""What a request may ask besides the question: rows, a mere check, an explanation."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.majority.majority import Majority
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.question import QuestionRequest
from plugins.workflow_kind import Resources
from sched.errors import InvalidRequestError
from tests.plugins.text2sql.scripted_shop import (
    BROKEN,
    EMPTY,
    OTHER,
    QUESTION,
    RIGHT,
    RIGHT_TOO,
    WRONG,
    FakeRetrieval,
    run,
    scripted,
)
from tests.plugins.text2sql.scripted_steps import Journal, ScriptedSteps, by_stage


def _a(**fields: Any) -> QuestionRequest:
    return QuestionRequest(question=QUESTION, **fields)


async def _majority(
    registry: DatabaseRegistry, request: QuestionRequest, *candidates: str
) -> tuple[dict[str, Any], Journal]:
    steps = ScriptedSteps(by_stage(generate_candidate=candidates), registry)
    workflow = Majority().open(Resources(registry, Compact(), Text2SqlOptions()))
    return await workflow.program(request, "shop")(steps), steps.journal


async def test_sql_that_is_not_to_run_is_checked_and_nothing_more(registry: DatabaseRegistry) -> None:
    """No statement reaches the database, none is revised for its rows, and there are no unit tests."""
    model = scripted(generate_candidate=[EMPTY, EMPTY.upper(), RIGHT])
    answer, journal = await run(registry, model, FakeRetrieval(), request=_a(execute=False))
    assert (answer["status"], answer["sql"]) == ("not_run", EMPTY)
    assert (answer["rows"], answer["columns"], answer["truncated"]) == ([], [], False)
    assert [each["row_count"] for each in answer["candidates"]] == [None] * len(answer["candidates"])
    assert answer["candidates"][0]["agreed"] == 2
    assert journal.statements == []
    assert {"revise", "unit_tester"}.isdisjoint(journal.stages())


async def test_sql_with_an_unknown_name_is_revised_without_being_run(registry: DatabaseRegistry) -> None:
    """The complaint says what is near."""
    model = scripted(generate_candidate=BROKEN, revise=f"```sql\n{RIGHT}\n```")
    answer, journal = await run(registry, model, request=_a(execute=False))
    assert (answer["status"], answer["sql"], journal.statements) == ("not_run", RIGHT, [])
    prompts = [call.prompt for call in journal.calls if call.stage == "revise"]
    assert all("no such table: customer; near: customers" in prompt for prompt in prompts)


async def test_sql_that_stays_wrong_is_no_answer_though_nothing_ran(registry: DatabaseRegistry) -> None:
    """Its error is the check's."""
    model = scripted(generate_candidate=BROKEN, revise=BROKEN)
    answer, _ = await run(registry, model, request=_a(execute=False))
    assert (answer["status"], answer["sql"]) == ("no_sql_ran", None)
    assert answer["sql_error"].startswith("no such table: customer")


async def test_the_majority_of_unrun_statements_is_that_of_their_words(registry: DatabaseRegistry) -> None:
    """There are no results to compare."""
    answer, journal = await _majority(
        registry, _a(execute=False), OTHER, RIGHT, RIGHT.replace(" FROM", "\n  from")
    )
    assert (answer["status"], answer["sql"], journal.statements) == ("not_run", RIGHT, [])


@pytest.mark.parametrize(
    ("most", "rows", "truncated"), [(2, 2, True), (1000, None, False), (None, None, False)]
)
async def test_max_rows_cuts_the_answer_and_says_so(
    registry: DatabaseRegistry, most: int | None, rows: int | None, truncated: bool
) -> None:
    """Candidates are compared by all of their rows."""
    model = scripted(generate_candidate=OTHER)
    answer, _ = await run(registry, model, FakeRetrieval(), request=_a(max_rows=most))
    full = answer["candidates"][0]["row_count"]
    assert full > 2
    assert (len(answer["rows"]), answer["truncated"]) == (rows or full, truncated)
    by_majority, _ = await _majority(registry, _a(max_rows=most), OTHER, OTHER, OTHER)
    assert (by_majority["rows"], by_majority["truncated"]) == (answer["rows"], truncated)


async def test_more_rows_than_the_server_gives_are_refused(registry: DatabaseRegistry) -> None:
    """By the name of the field, with the limit."""
    with pytest.raises(InvalidRequestError, match=r"limit of 50 rows \(--max-rows\)") as caught:
        await run(registry, scripted(), request=_a(max_rows=51), max_rows=50)
    assert caught.value.field == "max_rows"
    await run(registry, scripted(), request=_a(max_rows=50), max_rows=50)


JOINED = (
    "SELECT c.country, count(*) AS n FROM orders AS o JOIN customers AS c ON o.customer_id = c.id "
    "WHERE c.country = 'Germany' AND o.ordered_on >= '2024-01-01' GROUP BY c.country HAVING count(*) > 1"
)


async def test_an_explanation_says_what_was_used_and_why(registry: DatabaseRegistry) -> None:
    """Tables and columns with their clauses, values with the words they matched, conditions, joins."""
    model = scripted(generate_candidate=JOINED, schema_linking='["customers", "orders", "products"]')
    answer, journal = await run(registry, model, FakeRetrieval(), request=_a(explain=True))
    explained = answer["explanation"]
    assert [(t["name"], t["linked"], t["in_sql"]) for t in explained["tables"]] == [
        ("customers", True, True),
        ("orders", True, True),
        ("products", True, False),
    ]
    columns = {c["name"]: c["used_in"] for t in explained["tables"] for c in t["columns"]}
    assert set(columns["country"]) == {"select", "where", "group by"}
    assert columns["customer_id"] == ["join"]
    assert explained["values"] == [
        {"condition": "customers.country = 'Germany'", "word": "Germny", "exactly": False, "in_sql": True}
    ]
    assert explained["retrieved_columns"] == ["customers.country"]
    assert explained["conditions"] == [
        {"clause": "where", "sql": "c.country = 'Germany'"},
        {"clause": "where", "sql": "o.ordered_on >= '2024-01-01'"},
        {"clause": "having", "sql": "COUNT(*) > 1"},
    ]
    assert explained["joins"] == [{"table": "customers AS c", "kind": "inner", "on": "o.customer_id = c.id"}]
    plain, unexplained = await run(registry, model, FakeRetrieval())
    assert "explanation" not in plain
    assert len(journal.calls) == len(unexplained.calls)


async def test_the_majority_explains_by_its_sql(registry: DatabaseRegistry) -> None:
    """It links and retrieves nothing."""
    answer, _ = await _majority(registry, _a(explain=True), RIGHT, RIGHT_TOO, WRONG)
    explained = answer["explanation"]
    assert [(t["name"], t["linked"]) for t in explained["tables"]] == [("customers", False)]
    assert explained["conditions"] == [{"clause": "where", "sql": "country = 'Germany'"}]
    assert (explained["values"], explained["joins"]) == ([], [])


async def test_an_answer_without_sql_is_explained_by_what_was_found(registry: DatabaseRegistry) -> None:
    """There are no conditions then."""
    model = scripted(generate_candidate=BROKEN, revise=BROKEN)
    answer, _ = await run(registry, model, FakeRetrieval(), request=_a(explain=True))
    assert answer["status"] == "no_sql_ran"
    assert [t["in_sql"] for t in answer["explanation"]["tables"]] == [False]
    assert answer["explanation"]["values"][0]["in_sql"] is False
