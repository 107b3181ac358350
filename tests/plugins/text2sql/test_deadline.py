"""At the deadline what there is becomes the answer; only a question without any rows goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.workflow_kind import Resources
from tests.plugins.text2sql.scripted_shop import BROKEN, EMPTY, OTHER, RIGHT, WRONG, a_request, scripted
from tests.plugins.text2sql.scripted_steps import Call, Hold, Journal, ScriptedSteps, for_ever

SOON = 0.01
"""Seconds until the deadline, however much time passes; what is held until then takes longer or for ever."""


async def ask(
    registry: DatabaseRegistry, hold: Hold, answers: dict[str, Any], **options: Any
) -> tuple[dict[str, Any], Journal]:
    text2sql = Text2Sql(Resources(registry, Compact(), Text2SqlOptions(**options)))
    steps = ScriptedSteps(scripted(**answers), registry, hold=hold, remaining=SOON)
    return await text2sql.program(a_request(), "shop")(steps), steps.journal


def written_after(*seconds: float | None) -> Hold:
    """Return what holds each candidate for so many seconds (``None``: for ever), and nothing else."""

    async def hold(call: Call, journal: Journal) -> None:
        if call.stage == stages.GENERATE_CANDIDATE:
            wanted = seconds[call.branches[0]]
            await (for_ever(call, journal) if wanted is None else asyncio.sleep(wanted))

    return hold


@pytest.mark.parametrize("seconds", [0.0, 5 * SOON], ids=["before", "after"])
async def test_one_with_rows_is_enough(registry: DatabaseRegistry, seconds: float) -> None:
    """Whether they came before the deadline or after it: the candidates still being written are cancelled."""
    hold = written_after(seconds, None, None)
    answer, journal = await ask(registry, hold, {"generate_candidate": RIGHT})
    assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
    assert len(answer["candidates"]) == 1
    assert journal.running == 0


async def test_without_rows_the_others_are_waited_for(registry: DatabaseRegistry) -> None:
    """A late answer is better than none."""
    hold = written_after(0.0, 0.0, 5 * SOON)
    answers = {"generate_candidate": [EMPTY, BROKEN, RIGHT]}
    answer, _ = await ask(registry, hold, answers, max_revisions=0)
    assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
    assert len(answer["candidates"]) == 3


async def held_for_ever(call: Call, journal: Journal) -> None:
    """Hold revisions and the agent of unit tests."""
    if call.stage in (stages.REVISE, stages.UNIT_TESTER):
        await for_ever(call, journal)


async def test_a_revision_ends(registry: DatabaseRegistry) -> None:
    """Every candidate stays as it was."""
    answer, journal = await ask(registry, held_for_ever, {"generate_candidate": BROKEN})
    assert answer["status"] == "no_sql_ran"
    assert [(found["sql"], found["revisions"]) for found in answer["candidates"]] == [(BROKEN, 0)] * 3
    assert journal.running == 0


async def test_unit_tests_end(registry: DatabaseRegistry) -> None:
    """One of the results is the answer all the same."""
    answers = {"generate_candidate": [WRONG, RIGHT, OTHER]}
    answer, journal = await ask(registry, held_for_ever, answers)
    assert answer["status"] == "ok"
    assert answer["unit_tests"] == []
    assert journal.running == 0


async def test_without_early_ending_nothing_is_left_out(registry: DatabaseRegistry) -> None:
    """Every candidate is waited for and tested, however late."""
    hold = written_after(0.0, 5 * SOON, 5 * SOON)
    answers = {"generate_candidate": [WRONG, RIGHT, OTHER]}
    answer, _ = await ask(registry, hold, answers, early_ending=False)
    assert [found["tests_passed"] for found in answer["candidates"]] == [0, 2, 0]
