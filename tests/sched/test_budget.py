"""How a deadline is shared out over stages."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sched.budget import rest_seconds, stage_budget
from sched.workflow import PlanStep

_seconds = st.floats(0.0, 1e6)


def test_the_share_is_proportional() -> None:
    """A stage of 2 s with 6 s after it gets a quarter of the time left, however little that is."""
    assert stage_budget(100.0, 2.0, 6.0) == 25.0
    assert stage_budget(1.0, 2.0, 6.0) == 0.25


def test_the_last_stage_gets_all_that_is_left() -> None:
    """Without anything after it, or without any expectation, a stage may use the whole rest."""
    assert stage_budget(100.0, 2.0, 0.0) == 100.0
    assert stage_budget(100.0, 0.0, 0.0) == 100.0


@pytest.mark.parametrize("late", [0.0, -3.0])
def test_lateness_is_carried_whole(late: float) -> None:
    """Past the deadline the budget is the lateness, so that the latest still comes first."""
    assert stage_budget(late, 2.0, 6.0) == late


def test_lateness_is_not_rounded() -> None:
    """Two calls of one workflow that are equally late stay equal, whatever their stages take."""
    assert 0.1 * 0.2 / 0.2 > 0.1, "what a share of it would be"
    assert stage_budget(-0.1, 0.2, 0.0) == -0.1


@example(remaining=0.1, stage=0.2, rest=0.0)  # 0.1 · 0.2 / 0.2 is more than 0.1
@given(remaining=st.floats(-1e6, 1e6), stage=_seconds, rest=_seconds)
def test_a_budget_never_passes_the_deadline(remaining: float, stage: float, rest: float) -> None:
    """No share is above the time left, and none is negative while there is time."""
    budget = stage_budget(remaining, stage, rest)
    assert budget <= remaining
    assert budget >= 0 or remaining < 0


@given(remaining=st.floats(0.0, 1e6), stage=_seconds, rest=_seconds, more=_seconds)
def test_more_work_ahead_means_a_smaller_share(
    remaining: float, stage: float, rest: float, more: float
) -> None:
    """The share never grows with what comes after the stage."""
    assert stage_budget(remaining, stage, rest + more) <= stage_budget(remaining, stage, rest)


def test_the_rest_of_the_path_is_what_was_not_visited() -> None:
    """Each stage owes its expected visits less those begun; more visits than expected owe nothing."""
    plan = [PlanStep("a", 1), PlanStep("b", 2.5), PlanStep("c", 0.5)]
    seconds = {"a": 100.0, "b": 10.0, "c": 1.0}
    assert rest_seconds(plan, Counter(), seconds.__getitem__) == 125.5
    assert rest_seconds(plan, Counter(a=1, b=1), seconds.__getitem__) == 15.5
    assert rest_seconds(plan, Counter(a=3, b=3, unplanned=1), seconds.__getitem__) == 0.5
    assert rest_seconds([], Counter(a=1), seconds.__getitem__) == 0.0
