"""A question may bring evidence: a hint in every prompt, right behind the question."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from plugins.majority.majority import Majority
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.demo.demo_profile import DemoProfile
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact, Full, Profile
from plugins.workflow_kind import Resources
from sched.workflow import Segment, SegmentKind
from tests.plugins.text2sql.scripted_shop import (
    EMPTY,
    OTHER,
    QUESTION,
    RIGHT,
    WRONG,
    FakeRetrieval,
    a_request,
    run,
    scripted,
)
from tests.plugins.text2sql.scripted_steps import Journal, ScriptedSteps, by_stage

EVIDENCE = "customers in Germny are those whose\ncountry is 'Germany'"
ASKED = Segment(SegmentKind.QUESTION, f"Question: {QUESTION}\n")
HINTED = Segment(SegmentKind.QUESTION, f"Question: {QUESTION}\nHint: {EVIDENCE}\n")
CALLING = {
    "information_retrieval",
    "extract_keywords",
    "schema_linking",
    "generate_candidate",
    "revise",
    "unit_tester",
    "generate_unit_test",
    "evaluate",
}


async def _journal(registry: DatabaseRegistry, profile: Profile, evidence: str) -> Journal:
    model = scripted(generate_candidate=[EMPTY, RIGHT, OTHER], revise=WRONG)
    _, journal = await run(registry, model, FakeRetrieval(), profile=profile, evidence=evidence)
    assert set(journal.stages()) == CALLING
    return journal


def _prompts(journal: Journal) -> Counter[tuple[Segment, ...]]:
    """Return the prompts in any order, since candidates run side by side."""
    return Counter(call.segments for call in journal.calls)


@pytest.mark.parametrize("profile", [Compact(), Full()])
async def test_a_hint_is_a_line_behind_the_question_and_changes_nothing_else(
    registry: DatabaseRegistry, profile: Profile
) -> None:
    """In every stage; what stands before the question is the same, so it stays cached."""
    without = _prompts(await _journal(registry, profile, ""))
    assert all(ASKED in prompt for prompt in without)
    expected = Counter(
        tuple(HINTED if segment == ASKED else segment for segment in prompt) for prompt in without.elements()
    )
    assert _prompts(await _journal(registry, profile, f"  {EVIDENCE}\n ")) == expected


async def test_blank_evidence_is_none(registry: DatabaseRegistry) -> None:
    """The prompts are those without."""
    without = await _journal(registry, Compact(), "")
    assert _prompts(await _journal(registry, Compact(), " \n\t")) == _prompts(without)


async def test_a_profile_that_reads_no_hints_is_asked_as_ever(registry: DatabaseRegistry) -> None:
    """The demo model was trained without; nothing is retrieved for the hint, either."""
    retrieval = FakeRetrieval()
    model = scripted(generate_candidate=[WRONG, RIGHT, OTHER])
    _, plain = await run(registry, model, retrieval, profile=DemoProfile())
    _, hinted = await run(registry, model, retrieval, profile=DemoProfile(), evidence=EVIDENCE)
    assert _prompts(hinted) == _prompts(plain)
    assert retrieval.hints == ["", ""]


async def test_values_are_looked_up_for_the_hint(registry: DatabaseRegistry) -> None:
    """Retrieval gets it beside the question."""
    retrieval = FakeRetrieval()
    await run(registry, scripted(), retrieval, evidence=EVIDENCE)
    assert retrieval.hints == [EVIDENCE]


async def test_the_majority_reads_it_too(registry: DatabaseRegistry) -> None:
    """In its only stage."""
    steps = ScriptedSteps(by_stage(generate_candidate=RIGHT), registry)
    workflow = Majority().open(Resources(registry, Compact(), Text2SqlOptions()))
    await workflow.program(a_request(evidence=EVIDENCE), "shop")(steps)
    assert steps.journal.calls
    assert all(HINTED in call.segments for call in steps.journal.calls)


def test_evidence_is_bounded() -> None:
    """What is too long is refused by the name of its field; space around it doesn't count."""
    assert a_request(evidence=f" {'x' * 10_000}\n").evidence == "x" * 10_000
    with pytest.raises(ValidationError, match="evidence") as caught:
        a_request(evidence="x" * 10_001)
    assert caught.value.errors()[0]["loc"] == ("evidence",)
