"""A linking call that fails, says nothing or comes too late costs its own part of a large schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.linking.room import TokenCounter
from sched.errors import CallTimeoutError, OverloadedError, RuntimeFailureError
from sched.workflow import PromptSeconds
from tests.plugins.text2sql.linking.asker import ASKED, Asker, asked
from tests.plugins.text2sql.linking.warehouse import TABLES, shown
from tests.plugins.text2sql.scripted_steps import Call, Journal, Model

QUESTION = "Which rows of t_120 join those of t_123 at Oak's End?"
SPOKEN_OF = [*ASKED, "t_007", "t_008"]
"""By their names, by the value that it names, and by a value that retrieval found like it."""
_LATE = CallTimeoutError("the call took longer than 600 s")
_CRASHED = RuntimeFailureError("the runtime ended")


def unless(model: Model, lost: Callable[[list[str]], bool], answer: Exception | str) -> Model:
    """Return ``model``, which answers about parts that are ``lost`` with ``answer``."""

    def losing(call: Call, number: int) -> str:
        if call.stage != stages.SCHEMA_LINKING or not lost(shown(call.prompt)):
            return model(call, number)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return losing


def has(table: str) -> Callable[[list[str]], bool]:
    return lambda tables: table in tables


@pytest.mark.parametrize("lost", [_LATE, _CRASHED, "I don't know"])
async def test_the_tables_of_a_lost_part_are_chosen_by_the_questions_words(
    warehouse: DatabaseRegistry, count: TokenCounter, lost: Exception | str
) -> None:
    """Those of the others are the model's; the note names what was chosen, and why."""
    model = Asker(["t_007", "t_299"])
    answer, journal = await asked(warehouse, count, unless(model, has("t_123"), lost), QUESTION)
    assert answer["status"] == "ok"
    assert answer["tables"] == ["t_007", "t_299", *ASKED]
    (note,) = answer["schema"]["notes"]
    assert note.endswith(f"chosen of them by the question's words: {', '.join(ASKED)}")
    assert (lost.message if isinstance(lost, CallTimeoutError | RuntimeFailureError) else "read") in note
    assert journal.unreadable == ([stages.SCHEMA_LINKING] if isinstance(lost, str) else [])


async def test_a_question_goes_on_without_any_part(warehouse: DatabaseRegistry, count: TokenCounter) -> None:
    """What it speaks of comes first, and all is noted."""
    answer, journal = await asked(warehouse, count, unless(Asker([]), bool, _CRASHED), QUESTION)
    assert answer["status"] == "ok"
    assert answer["tables"] == SPOKEN_OF
    (note,) = answer["schema"]["notes"]
    assert note.startswith(f"schema linking says nothing of {TABLES} tables (the runtime ended); ")
    assert answer["schema"]["linking_calls"] == len(journal.of(stages.SCHEMA_LINKING)) > 1


async def test_what_concerns_the_whole_question_ends_it(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """A server that refuses further calls is no matter of one part."""
    refused = OverloadedError("too much waits")
    with pytest.raises(OverloadedError):
        await asked(warehouse, count, unless(Asker(ASKED), has("t_123"), refused), QUESTION)


async def test_tables_stand_among_which_the_model_could_not_choose_again(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """The first round named them; what has no room is left out by the question's words, as ever."""
    first = Asker(None)
    await asked(warehouse, count, first, QUESTION, max_revisions=0)
    parts = next(n for n in range(len(first.parts)) if "t_299" in first.parts[n]) + 1
    model = Asker(None)
    losing = unless(model, lambda tables: len(model.parts) >= parts, _LATE)
    answer, _ = await asked(warehouse, count, losing, QUESTION, max_revisions=0)
    assert len(model.parts) == parts
    named = [name for part in model.parts for name in part[:12]]
    assert sorted(answer["tables"]) == sorted(named)
    note, *_ = answer["schema"]["notes"]
    assert note == f"schema linking didn't choose again among {len(named)} tables: {_LATE.message}"


@pytest.mark.parametrize("remaining", [0.0, -5.0])
async def test_after_the_deadline_nothing_is_linked(
    warehouse: DatabaseRegistry, count: TokenCounter, remaining: float
) -> None:
    """The question's words choose, and no call is made."""
    steps: dict[str, Any] = {"remaining": remaining}
    answer, journal = await asked(warehouse, count, Asker([]), QUESTION, steps=steps)
    assert not journal.of(stages.SCHEMA_LINKING)
    assert answer["schema"]["linking_calls"] == 0
    assert answer["tables"] == SPOKEN_OF
    (note,) = answer["schema"]["notes"]
    assert note.startswith(f"schema linking says nothing of {TABLES} tables (the deadline left no time); ")


async def test_the_parts_that_the_question_speaks_of_are_asked_while_there_is_time(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """Each is expected to take 10 s, and half of 60 s is for linking."""
    model = Asker(ASKED)
    steps: dict[str, Any] = {"cost": lambda prompt: PromptSeconds(10.0, 0.0)}
    answer, _ = await asked(warehouse, count, model, QUESTION, steps=steps)
    assert len(model.parts) == 3
    assert {"t_007", *ASKED} <= {name for part in model.parts for name in part}
    assert set(ASKED) <= set(answer["tables"])
    (note,) = answer["schema"]["notes"]
    unasked = TABLES - sum(map(len, model.parts))
    assert note.startswith(f"schema linking says nothing of {unasked} tables (the deadline left no time); ")


async def test_what_nobody_can_tell_the_cost_of_is_asked(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """As before a runtime is known."""
    model = Asker(ASKED)
    steps: dict[str, Any] = {"cost": lambda prompt: PromptSeconds(float("inf"), float("inf"))}
    answer, _ = await asked(warehouse, count, model, QUESTION, steps=steps)
    assert sorted(name for part in model.parts for name in part) == [f"t_{n:03}" for n in range(TABLES)]
    assert answer["schema"]["notes"] == []


async def test_a_part_that_takes_too_long_is_given_up(
    warehouse: DatabaseRegistry, count: TokenCounter
) -> None:
    """Its call is cancelled at half of the time that was left."""

    async def hold(call: Call, journal: Journal) -> None:
        if call.stage == stages.SCHEMA_LINKING and has("t_123")(shown(call.prompt)):
            await asyncio.get_running_loop().create_future()

    # The others are answered at once; how many of them within that time depends on the machine.
    steps: dict[str, Any] = {"hold": hold, "remaining": 0.2}
    answer, journal = await asked(warehouse, count, Asker([]), QUESTION, steps=steps)
    assert journal.cancelled >= 1
    assert answer["status"] == "ok"
    assert "t_123" in answer["tables"]
    assert "(the deadline left no time)" in answer["schema"]["notes"][0]
