"""What is learned about stages."""

from __future__ import annotations

from collections import Counter

import pytest

from sched.predict.stage_profile import PUBLISHED, StageEstimate, StageProfile
from sched.workflow import PlanStep


def test_learning_starts_from_published_figures() -> None:
    """A known stage starts with the published means, an unknown one with half of its output limit."""
    profile = StageProfile()
    assert profile.estimate("text2sql", "shop", "revise") == PUBLISHED["revise"]
    assert profile.estimate("text2sql", "shop", "mine", 90).output_tokens == 45


def test_an_output_never_exceeds_its_limit() -> None:
    """The expected output is bounded by ``max_new_tokens``; the prompt isn't."""
    assert StageProfile().estimate("k", None, "revise", 10) == StageEstimate(
        PUBLISHED["revise"].prompt_tokens, 10
    )


def test_the_most_specific_knowledge_wins() -> None:
    """A stage is looked up per database, then per kind, then for any kind."""
    profile = StageProfile()
    profile.observe_call("k", "shop", "s", 100, 10)
    for kind, database in [("k", "shop"), ("k", "other"), ("k", None), ("other", "shop")]:
        assert profile.estimate(kind, database, "s") == StageEstimate(100, 10)
    profile.observe_call("k", "other", "s", 300, 30)
    assert profile.estimate("k", "shop", "s") == StageEstimate(100, 10)
    assert profile.estimate("k", "other", "s") == StageEstimate(300, 30)
    between = profile.estimate("k", "third", "s")
    assert 100 < between.prompt_tokens < 300
    assert 10 < between.output_tokens < 30


def test_means_follow_a_lasting_change() -> None:
    """One outlier moves the mean little, fifty of them move it there."""
    profile = StageProfile()
    profile.observe_call("k", None, "s", 100, 10)
    profile.observe_call("k", None, "s", 1100, 110)
    assert profile.estimate("k", None, "s").prompt_tokens <= 300
    for _ in range(50):
        profile.observe_call("k", None, "s", 1100, 110)
    assert profile.estimate("k", None, "s").prompt_tokens == pytest.approx(1100, rel=0.02)
    assert profile.estimate("k", None, "s").output_tokens == pytest.approx(110, rel=0.02)


def test_plans_are_means_of_visits() -> None:
    """The first workflow is the plan; later ones shift it, new stages join, missing ones fade."""
    profile = StageProfile()
    assert profile.plan("k") == ()
    profile.observe_workflow("k", Counter(a=1, b=2))
    assert profile.plan("k") == (PlanStep("a", 1.0), PlanStep("b", 2.0))
    assert profile.plan("other") == ()
    for _ in range(60):
        profile.observe_workflow("k", Counter(a=1, c=3))
    visits = {step.stage: step.visits for step in profile.plan("k")}
    assert visits == pytest.approx({"a": 1.0, "b": 0.0, "c": 3.0}, abs=0.01)
