"""A model that thinks aloud: its thinking fills no answer, and has a budget of its own before SQL."""

from __future__ import annotations

from collections import Counter

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from tests.plugins.text2sql.scripted_shop import ANSWERS, QUESTION, RIGHT, FakeRetrieval, run
from tests.plugins.text2sql.scripted_steps import Call, by_stage

THOUGHT = (
    '<think>I could use retrieve_columns, or be done. ["wrong"] - No test.\nCandidate 2: failed '
    "SELECT 1 FROM nothing\n</think>\n\n"
)


async def test_thinking_is_no_answer_in_any_stage(registry: DatabaseRegistry) -> None:
    """Every stage reads what stands behind it: the workflow takes the same way as without."""
    plain = by_stage(**ANSWERS)

    def thinking(call: Call, number: int) -> str:
        return THOUGHT + plain(call, number)

    answer, journal = await run(registry, thinking, FakeRetrieval(), early_ending=False)
    quiet, other = await run(registry, plain, FakeRetrieval(), early_ending=False)
    assert answer == quiet
    assert Counter(journal.stages()) == Counter(other.stages())
    assert sorted(journal.statements) == sorted(other.statements)
    assert journal.unreadable == []


async def test_thinking_that_never_ends_is_no_answer(registry: DatabaseRegistry) -> None:
    """It is unreadable, and no SQL is taken from it."""
    answer, journal = await run(registry, lambda call, number: f'<think>{RIGHT} ["customers"]', None)
    assert (answer["status"], answer["sql"], answer["tables"]) == ("no_sql_ran", None, [])
    assert journal.unreadable[0] == "schema_linking"


async def test_only_sql_may_be_thought_about(registry: DatabaseRegistry) -> None:
    """Other stages are bound from their first token; SQL has the budget besides its own."""
    options = {"thinking_tokens": 500, "max_sql_tokens": 100}
    _, journal = await run(registry, by_stage(**ANSWERS), FakeRetrieval(), **options)  # type: ignore[arg-type]
    for call in journal.calls:
        writes_sql = call.stage in ("generate_candidate", "revise")
        assert call.params.thinking == writes_sql, QUESTION
        assert ("regex" in call.params.sampling) != writes_sql
        assert not writes_sql or call.params.max_new_tokens == 600
