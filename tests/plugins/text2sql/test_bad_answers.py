"""The workflow repairs bad SQL and survives useless answers of every stage."""

from __future__ import annotations

from collections import Counter

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from tests.plugins.text2sql.scripted_shop import (
    BROKEN,
    EMPTY,
    OTHER,
    RIGHT,
    WRONG,
    FakeRetrieval,
    run,
    scripted,
)
from tests.plugins.text2sql.scripted_steps import CUT_OFF, Call


async def test_revision_ends_when_rows_come(registry: DatabaseRegistry) -> None:
    """Errors and empty results are handed to the model with the statement, until rows come back."""
    rounds = [EMPTY, BROKEN, RIGHT, "never asked for"]

    def model(call: Call, number: int) -> str:
        return rounds[number] if call.stage == "revise" else scripted(generate_candidate=BROKEN)(call, number)

    answer, journal = await run(registry, model, candidates=1)
    assert answer["sql"] == RIGHT
    assert answer["candidates"][0]["revisions"] == 3
    problems = [call.context() for call in journal.of("revise")]
    assert "no such table: customer" in problems[0]
    assert "returned no rows" in problems[1]
    # The second repair failed, so the statement that ran is repaired on.
    assert f"Statement:\n{EMPTY}" in problems[2]


@pytest.mark.parametrize(("limit", "asked"), [(10, 10), (2, 2), (0, 0)])
async def test_revision_is_bounded(registry: DatabaseRegistry, limit: int, asked: int) -> None:
    """What never works is given up after the rounds that are set, ten unless said otherwise."""
    assert Text2SqlOptions().max_revisions == 3
    model = scripted(generate_candidate=BROKEN, revise=BROKEN)
    answer, journal = await run(registry, model, candidates=1, max_revisions=limit)
    assert journal.stages().count("revise") == asked
    assert answer["status"] == "no_sql_ran"
    assert "no such table" in answer["sql_error"]


async def test_a_statement_cut_off_is_not_run_but_revised(registry: DatabaseRegistry) -> None:
    """Half a statement might run and mean something else."""
    model = scripted(generate_candidate=f"{RIGHT} AND city = 'Ber{CUT_OFF}", revise=RIGHT)
    answer, journal = await run(registry, model, candidates=1)
    assert journal.statements == [RIGHT]
    assert "cut off" in journal.of("revise")[0].context()
    assert answer["sql"] == RIGHT


@pytest.mark.parametrize(
    ("first", "revisions", "asked"),
    [
        ("", [""], 1),
        (BROKEN, ["", ""], 2),
        ("", [BROKEN, "", ""], 3),
        ("", [BROKEN, "", EMPTY], 3),
    ],
)
@pytest.mark.parametrize(
    "hopeless",
    [
        "A view is a table in a view, which " * 4 + CUT_OFF,
        f"{RIGHT} AND city = 'Ber{CUT_OFF}",
        "The sum is 2.",
    ],
    ids=["endless prose", "endless SQL", "prose"],
)
async def test_a_model_that_writes_no_statement_is_given_up(
    registry: DatabaseRegistry, first: str, revisions: list[str], asked: int, hopeless: str
) -> None:
    """After two answers in a row that the token limit ended or that hold no SELECT (here: the empty ones)."""
    script = scripted(generate_candidate=first or hopeless)

    def model(call: Call, number: int) -> str:
        return (revisions[number] or hopeless) if call.stage == "revise" else script(call, number)

    answer, journal = await run(registry, model, candidates=1)
    assert len(journal.of("revise")) == asked
    assert answer["status"] == ("empty" if EMPTY in revisions else "no_sql_ran")
    assert answer["candidates"][0]["revisions"] == asked


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("The average is 2.", "there is no SELECT; write one"),
        ("It isn't in the table's rows.", "there is no SELECT; write one"),
        ("Problem: there is no SELECT; write one\nRepaired SQL:", "there is no SELECT; write one"),
        ("CREATE TABLE t (a INT)", "CREATE is not allowed; write one SELECT"),
        (f"1. One row\n2. One row{CUT_OFF}", "an answer without SELECT was cut off after 22 tokens"),
        (f"SELECT a FROM{CUT_OFF}", "the statement was cut off after 14 tokens"),
    ],
)
async def test_an_answer_without_a_statement_is_called_so(
    registry: DatabaseRegistry, text: str, error: str
) -> None:
    """In prose the place of a syntax error means nothing."""
    answer, _ = await run(registry, scripted(generate_candidate=text), candidates=1, max_revisions=0)
    assert (answer["status"], answer["sql"], answer["sql_error"]) == ("no_sql_ran", None, error)


@pytest.mark.parametrize("text", ["", CUT_OFF, "I don't know", '[["]', "Candidate: - [" + CUT_OFF])
async def test_useless_answers_of_every_other_stage_do_no_harm(registry: DatabaseRegistry, text: str) -> None:
    """Agents then end, linking chooses every table, agreement selects; the timeline says what was unread."""

    def model(call: Call, number: int) -> str:
        return [WRONG, RIGHT, OTHER][call.branches[0]] if call.stage == "generate_candidate" else text

    answer, journal = await run(registry, model, FakeRetrieval())
    counted = Counter(journal.stages())
    assert counted["information_retrieval"] == 1
    assert counted["extract_keywords"] == 0
    assert counted["unit_tester"] == 1
    assert journal.unreadable == ["information_retrieval", "schema_linking", "unit_tester"]
    assert answer["sql"] == WRONG
    assert answer["tables"] == []
    assert answer["candidates"][0]["tests_passed"] is None


async def test_agents_may_stop_early(registry: DatabaseRegistry) -> None:
    """A model that needs nothing says so, and no tool runs."""
    model = scripted(
        information_retrieval="done", unit_tester="done", generate_candidate=[WRONG, RIGHT, OTHER]
    )
    retrieval = FakeRetrieval()
    _, journal = await run(registry, model, retrieval)
    assert Counter(journal.stages())["information_retrieval"] == 1
    assert retrieval.asked == []
    assert not journal.of("generate_unit_test")


async def test_a_tool_is_offered_once_and_after_what_it_needs(registry: DatabaseRegistry) -> None:
    """The pattern of a decision names what is on offer; a model that insists on a used tool ends there."""
    _, journal = await run(registry, scripted(), FakeRetrieval())
    asked = [call.context() for call in journal.of("information_retrieval")]
    assert asked == [
        "Used so far: nothing\nNext: ",
        "Used so far: extract_keywords\nNext: ",
        "Used so far: extract_keywords, retrieve_values\nNext: ",
        "Used so far: extract_keywords, retrieve_values, retrieve_columns\nNext: ",
    ]
    offered = [call.params.sampling["regex"] for call in journal.of("information_retrieval")]
    assert offered == [
        "(extract_keywords|done)",
        "(retrieve_values|retrieve_columns|done)",
        "(retrieve_columns|done)",
        "(done)",
    ]
    model = scripted(information_retrieval=["extract_keywords", "retrieve_values", "retrieve_values"])
    _, journal = await run(registry, model, FakeRetrieval())
    assert len(journal.of("information_retrieval")) == 3
    assert journal.unreadable == ["information_retrieval"]
