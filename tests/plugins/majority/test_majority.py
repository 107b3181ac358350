"""The workflow ``majority``: candidates side by side, and the result that most of them give."""

from __future__ import annotations

from typing import Any

import pytest

from launch.shipped import workflow_registry
from plugins.majority.majority import Majority, OpenMajority
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.workflow_kind import Resources, WorkflowKind
from sched.errors import ConfigError
from sched.workflow import PlanStep
from tests.plugins.text2sql.scripted_shop import BROKEN, OTHER, RIGHT, RIGHT_TOO, WRONG, a_request
from tests.plugins.text2sql.scripted_steps import CUT_OFF, Journal, ScriptedSteps, by_stage, for_ever


def majority(registry: DatabaseRegistry, **options: Any) -> OpenMajority:
    return Majority().open(Resources(registry, Compact(), Text2SqlOptions(**options)))


async def run(
    registry: DatabaseRegistry, candidates: list[str], **options: Any
) -> tuple[dict[str, Any], Journal]:
    steps = ScriptedSteps(by_stage(generate_candidate=candidates), registry)
    program = majority(registry, **options).program(a_request(candidates=len(candidates)), "shop")
    return await program(steps), steps.journal


async def test_most_of_the_candidates_decide(registry: DatabaseRegistry) -> None:
    """Two statements with the same rows outvote one with others, wherever they stand."""
    answer, journal = await run(registry, [WRONG, RIGHT, RIGHT_TOO])
    assert (answer["status"], answer["sql"]) == ("ok", RIGHT)
    assert [candidate["agreed"] for candidate in answer["candidates"]] == [1, 2, 2]
    assert journal.stages() == ["generate_candidate"] * 3


async def test_only_the_first_is_the_best_guess(registry: DatabaseRegistry) -> None:
    """The same prompt for all; the others are sampled, or all would agree."""
    _, journal = await run(registry, [RIGHT, OTHER, WRONG], early_ending=False)
    calls = sorted(journal.calls, key=lambda call: call.branches)
    assert [call.params.sampling["temperature"] for call in calls] == [0.0, 0.7, 0.7]
    assert len({call.prompt for call in calls}) == 1


async def test_what_fails_or_is_cut_off_has_no_vote(registry: DatabaseRegistry) -> None:
    """Nothing is revised; when nothing ran the answer says what the first one failed with."""
    answer, _ = await run(registry, [BROKEN, WRONG + CUT_OFF, RIGHT])
    assert answer["sql"] == RIGHT
    answer, _ = await run(registry, [BROKEN, BROKEN, BROKEN])
    assert (answer["status"], answer["sql"]) == ("no_sql_ran", None)
    assert "no such table" in answer["sql_error"]


async def test_a_majority_cancels_the_rest(registry: DatabaseRegistry) -> None:
    """The third call is never answered, and nobody waits for it."""

    async def hold(call: Any, journal: Journal) -> None:
        if call.branches == (2,):
            await for_ever(call, journal)

    steps = ScriptedSteps(by_stage(generate_candidate=[RIGHT, RIGHT_TOO, WRONG]), registry, hold=hold)
    answer = await majority(registry).program(a_request(candidates=3), "shop")(steps)
    assert answer["sql"] == RIGHT
    assert steps.journal.cancelled == 1


async def test_the_plan_and_the_room_are_those_of_one_stage(registry: DatabaseRegistry) -> None:
    """A context with room for its prompt is enough, one without is refused by name."""

    async def count(segments: Any) -> int:
        return sum(len(segment.text) for segment in segments) // 4

    workflow = majority(registry, max_sql_tokens=64)
    assert workflow.plan(a_request()) == (PlanStep("generate_candidate", 1.0),)
    await workflow.check_context("shop", 8192, count)
    with pytest.raises(ConfigError, match="prompts about database 'shop' need"):
        await workflow.check_context("shop", 1024, count)


@pytest.mark.parametrize(
    ("name", "servers", "sampled"),
    [("majority", 0.7, 0.7), ("majority", 0.2, 0.2), ("majority?temperature=0.3", 0.2, 0.3)],
)
async def test_the_servers_temperature_holds_unless_the_kind_has_one(
    registry: DatabaseRegistry, name: str, servers: float, sampled: float
) -> None:
    """The default is the server's alone."""
    kind = workflow_registry().load(name)
    resources = Resources(registry, Compact(), Text2SqlOptions(candidate_temperature=servers))
    steps = ScriptedSteps(by_stage(generate_candidate=[RIGHT, OTHER]), registry)
    await kind.open(resources).program(a_request(candidates=2), "shop")(steps)
    assert {call.params.sampling["temperature"] for call in steps.journal.calls} == {0.0, sampled}


def test_its_temperature_is_a_parameter() -> None:
    """As a policy's parameters are: above 0, or no candidate would differ."""
    kind: WorkflowKind = Majority(temperature=0.3)
    assert kind.name == "majority"
    with pytest.raises(ConfigError, match="temperature must be of type float, not 'hot'"):
        workflow_registry().load("majority?temperature=hot")
    with pytest.raises(ValueError, match="temperature"):
        Majority(temperature=0.0)
