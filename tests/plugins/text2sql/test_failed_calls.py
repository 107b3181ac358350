"""A call that fails or takes too long costs its own part of the answer, not the whole of it."""

from __future__ import annotations

import pytest

from plugins.majority.majority import Majority
from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.workflow_kind import Resources
from sched.errors import CallTimeoutError, OverloadedError, RuntimeFailureError, SluiceError
from tests.plugins.text2sql.scripted_shop import BROKEN, OTHER, RIGHT, WRONG, a_request, run, scripted
from tests.plugins.text2sql.scripted_steps import Call, Model, ScriptedSteps

_LATE = CallTimeoutError("the call took longer than 600 s")
_CRASHED = RuntimeFailureError("the runtime ended")


def failing(model: Model, stage: str, error: SluiceError, candidates: tuple[int, ...] = (0, 1, 2)) -> Model:
    """Return ``model``, whose calls of ``stage`` fail in branches of ``candidates``, or outside branches."""

    def failing_model(call: Call, number: int) -> str:
        if call.stage == stage and (not call.branches or call.branches[0] in candidates):
            raise error
        return model(call, number)

    return failing_model


@pytest.mark.parametrize("error", [_LATE, _CRASHED])
async def test_the_other_candidates_answer(registry: DatabaseRegistry, error: SluiceError) -> None:
    """The one that wasn't written says why."""
    model = failing(scripted(generate_candidate=RIGHT), stages.GENERATE_CANDIDATE, error, (0,))
    answer, _ = await run(registry, model)
    assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
    assert error.message in answer["candidates"][0]["error"]


async def test_a_question_for_which_nothing_was_written_fails(registry: DatabaseRegistry) -> None:
    """The client is told of the call's failure."""
    with pytest.raises(CallTimeoutError, match="600 s"):
        await run(registry, failing(scripted(), stages.GENERATE_CANDIDATE, _LATE))


async def test_a_candidate_stays_as_it_was_if_its_revision_fails(registry: DatabaseRegistry) -> None:
    """Its statement and the database's message are in the answer."""
    model = failing(scripted(generate_candidate=BROKEN), stages.REVISE, _LATE)
    answer, journal = await run(registry, model)
    assert answer["status"] == "no_sql_ran"
    assert [candidate["sql"] for candidate in answer["candidates"]] == [BROKEN] * 3
    assert len(journal.of(stages.REVISE)) == 3


@pytest.mark.parametrize("stage", [stages.UNIT_TESTER, stages.GENERATE_UNIT_TEST, stages.EVALUATE])
async def test_candidates_are_selected_without_tests_if_these_fail(
    registry: DatabaseRegistry, stage: str
) -> None:
    """The most agreed result wins, then the first."""
    model = failing(scripted(generate_candidate=[WRONG, RIGHT, OTHER]), stage, _LATE)
    answer, _ = await run(registry, model)
    assert (answer["status"], answer["sql"]) == ("ok", WRONG)


@pytest.mark.parametrize("error", [_LATE, _CRASHED])
async def test_all_tables_may_be_needed_if_linking_fails(
    registry: DatabaseRegistry, error: SluiceError
) -> None:
    """The whole schema fits, so that it is shown; the answer says why."""
    answer, journal = await run(registry, failing(scripted(), stages.SCHEMA_LINKING, error))
    assert (answer["status"], answer["sql"], answer["tables"]) == ("ok", RIGHT, [])
    assert answer["schema"]["tables"] == answer["schema"]["of"]
    assert answer["schema"]["notes"] == [f"schema linking named no tables: {error.message}"]
    assert answer["schema"]["linking_calls"] == len(journal.of(stages.SCHEMA_LINKING)) == 1


async def test_what_concerns_the_whole_question_ends_it(registry: DatabaseRegistry) -> None:
    """A server that refuses further calls is no matter of one candidate."""
    model = failing(scripted(), stages.GENERATE_CANDIDATE, OverloadedError("too much waits"), (0,))
    with pytest.raises(OverloadedError):
        await run(registry, model)


async def test_the_others_vote_in_a_majority(registry: DatabaseRegistry) -> None:
    """Only if all calls failed, the question does."""
    kind = Majority().open(Resources(registry, Compact(), Text2SqlOptions()))
    answers = scripted(generate_candidate=RIGHT)
    steps = ScriptedSteps(failing(answers, stages.GENERATE_CANDIDATE, _LATE, (0,)), registry)
    answer = await kind.program(a_request(), "shop")(steps)
    assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
    steps = ScriptedSteps(failing(answers, stages.GENERATE_CANDIDATE, _LATE), registry)
    with pytest.raises(CallTimeoutError):
        await kind.program(a_request(), "shop")(steps)
