"""What can't change an answer is cancelled or not asked; without early ending everything is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.unit_tests import is_won, passes
from plugins.workflow_kind import Resources
from tests.plugins.text2sql.scripted_shop import (
    BROKEN,
    EMPTY,
    OTHER,
    RIGHT,
    RIGHT_TOO,
    WRONG,
    a_request,
    run,
    scripted,
)
from tests.plugins.text2sql.scripted_steps import Call, Journal, at_once, for_ever


@pytest.mark.parametrize(
    "candidates",
    [
        [RIGHT, RIGHT_TOO, RIGHT],
        [RIGHT, RIGHT_TOO, OTHER],
        [RIGHT, EMPTY, BROKEN],
        [EMPTY, EMPTY, BROKEN],
    ],
    ids=["all agree", "most agree", "one has rows", "none has rows"],
)
async def test_unit_tests_are_skipped_where_they_could_not_choose(
    registry: DatabaseRegistry, candidates: list[str]
) -> None:
    """With a majority, or fewer than two different results with rows, no test is written."""
    model = scripted(generate_candidate=candidates, revise=BROKEN)
    answer, journal = await run(registry, model, max_revisions=1)
    assert not {"unit_tester", "generate_unit_test", "evaluate"} & set(journal.stages())
    assert answer["sql"] in (RIGHT, RIGHT_TOO, EMPTY)
    assert answer["unit_tests"] == []


async def test_without_early_ending_every_stage_runs_in_full(registry: DatabaseRegistry) -> None:
    """Agreeing candidates are waited for and tested, as published, and no evaluation is left out."""
    late = scripted(generate_candidate=[RIGHT, RIGHT_TOO, OTHER], evaluate="Candidate 1: passed")

    async def others_first(call: Call, journal: Journal) -> None:
        if call.stage == "generate_candidate" and call.branches == (2,):
            await journal.passes(lambda: journal.ended_branches == 2)

    answer, journal = await run(registry, late, hold=others_first, early_ending=False)
    assert journal.cancelled == 0
    assert len(answer["candidates"]) == 3
    assert len(journal.of("unit_tester")) == 3
    assert len(journal.of("evaluate")) == len(answer["unit_tests"]) == 2
    assert answer["candidates"][0]["tests_passed"] == 2
    _, journal = await run(registry, scripted(), candidates=1, early_ending=False)
    assert len(journal.of("evaluate")) == 2
    text2sql = Text2Sql(Resources(registry, Compact(), Text2SqlOptions(early_ending=False)))
    plan = text2sql.plan(a_request(candidates=1))
    assert stages.EVALUATE in [step.stage for step in plan]


async def test_a_majority_cancels_the_candidates_still_running(registry: DatabaseRegistry) -> None:
    """Two of three agree: the third call is cancelled and not waited for."""

    async def hold(call: Call, journal: Journal) -> None:
        await (for_ever if call.branches == (2,) else at_once)(call, journal)

    answer, journal = await run(registry, scripted(), hold=hold)
    assert journal.cancelled == 1
    assert answer["sql"] == RIGHT


async def test_a_winner_cancels_the_evaluations_still_running(registry: DatabaseRegistry) -> None:
    """Three of four tests are for the second result: the fourth call is cancelled and not waited for."""
    tests = "- First.\n- Second.\n- Third.\n- Fourth."
    model = scripted(generate_candidate=[WRONG, RIGHT, OTHER], generate_unit_test=tests)

    async def hold(call: Call, journal: Journal) -> None:
        last = call.stage == "evaluate" and call.branches == (3,)
        await (for_ever if last else at_once)(call, journal)

    answer, journal = await run(registry, model, hold=hold)
    assert (len(journal.of("evaluate")), journal.cancelled) == (4, 1)
    assert answer["sql"] == RIGHT


@given(
    verdicts=st.lists(st.frozensets(st.integers(0, 2)), max_size=5),
    rest=st.lists(st.frozensets(st.integers(0, 2)), max_size=3),
)
def test_a_winner_stays_the_winner(verdicts: list[frozenset[int]], rest: list[frozenset[int]]) -> None:
    """Whatever the evaluations still out would say, once it is won the same result has the most passes."""
    if is_won(verdicts, len(verdicts) + len(rest), 3):
        so_far, all_in = passes(verdicts, 3), passes([*verdicts, *rest], 3)
        winner = so_far.index(max(so_far))
        assert all(all_in[winner] > other for n, other in enumerate(all_in) if n != winner)
