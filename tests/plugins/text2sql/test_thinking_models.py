"""A model that thinks aloud: its thinking fills no answer, and has a budget of its own before SQL."""

from __future__ import annotations

from collections import Counter

import pytest

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from tests.plugins.text2sql.scripted_shop import (
    ANSWERS,
    BROKEN,
    QUESTION,
    RIGHT,
    FakeRetrieval,
    run,
    scripted,
)
from tests.plugins.text2sql.scripted_steps import CUT_OFF, Call, by_stage

DECOYS = (
    'I could use retrieve_columns, or be done. ["wrong"]\n- No test.\nCandidate 2: failed\n'
    '```sql\nSELECT 1 FROM nothing;\n```\n{"sql": "SELECT 2"}\n'
)


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("<think>", "</think>\n\n"),
        ("", "</think>\n\n"),  # the prompt has begun the thinking
        ("<think>the <think> tag: ", "</think>"),
        ("<think>one <think>two</think> ", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        ("analysis", "assistantfinal"),
    ],
)
async def test_thinking_is_no_answer_in_any_stage(
    registry: DatabaseRegistry, before: str, behind: str
) -> None:
    """Every stage reads what stands behind it: the workflow takes the same way as without."""
    plain = by_stage(**ANSWERS)

    def thinking(call: Call, number: int) -> str:
        return before + DECOYS + behind + plain(call, number)

    answer, journal = await run(registry, thinking, FakeRetrieval(), early_ending=False)
    quiet, other = await run(registry, plain, FakeRetrieval(), early_ending=False)
    assert answer | {"conversation_id": quiet["conversation_id"]} == quiet
    assert Counter(journal.stages()) == Counter(other.stages())
    assert sorted(journal.statements) == sorted(other.statements)
    assert journal.unreadable == []


async def test_thinking_that_never_ends_is_no_answer(registry: DatabaseRegistry) -> None:
    """It is unreadable, and no SQL is taken from it."""
    answer, journal = await run(registry, lambda call, number: f'<think>{RIGHT} ["customers"]', None)
    assert (answer["status"], answer["sql"], answer["tables"]) == ("no_sql_ran", None, [])
    assert journal.unreadable[0] == "schema_linking"


@pytest.mark.parametrize("stage", ANSWERS)
async def test_a_stage_that_only_thinks_says_nothing(registry: DatabaseRegistry, stage: str) -> None:
    """The workflow ends all the same, and no decoy in the thinking counts."""
    opening = "<|channel|>analysis<|message|>" if stage in ("evaluate", "generate_candidate") else "<think>"
    script = scripted(revise="<think>" + DECOYS)

    def model(call: Call, number: int) -> str:
        return opening + DECOYS + CUT_OFF if call.stage == stage else script(call, number)

    answer, journal = await run(registry, model, FakeRetrieval(), early_ending=False)
    assert not [statement for statement in journal.statements if statement != RIGHT]
    assert "wrong" not in answer["tables"]
    assert "No test." not in answer["unit_tests"]
    if stage == "generate_candidate":
        assert (answer["status"], answer["sql"], answer["rows"]) == ("no_sql_ran", None, [])
    else:
        assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
        assert stage == "evaluate" or stage in journal.unreadable


async def test_a_revision_may_think(registry: DatabaseRegistry) -> None:
    """A failed statement is repaired by what stands behind its thinking."""
    revised = f"<think>{DECOYS}</think>```sql\n{RIGHT}\n```"
    answer, journal = await run(registry, scripted(generate_candidate=BROKEN, revise=revised), candidates=1)
    assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
    assert journal.statements == [BROKEN, RIGHT]


async def test_only_sql_may_be_thought_about(registry: DatabaseRegistry) -> None:
    """Other stages are bound from their first token; SQL has the budget besides its own."""
    options = {"thinking_tokens": 500, "max_sql_tokens": 100}
    _, journal = await run(registry, by_stage(**ANSWERS), FakeRetrieval(), **options)  # type: ignore[arg-type]
    for call in journal.calls:
        writes_sql = call.stage in ("generate_candidate", "revise")
        assert call.params.thinking == writes_sql, QUESTION
        assert ("regex" in call.params.sampling) != writes_sql
        assert not writes_sql or call.params.max_new_tokens == 600
