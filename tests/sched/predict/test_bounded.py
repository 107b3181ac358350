"""What clients name can't fill the learned tables."""

from __future__ import annotations

from collections import Counter

from sched.predict.bounded import MOST_NAMES, BoundedTable
from sched.predict.history import _MOST_PLACES, Paths, PathStep
from sched.predict.profile_store import as_plain, restored
from sched.predict.stage_profile import MOST_STAGES, StageProfile

MANY = MOST_NAMES + 100


def test_what_was_written_longest_ago_goes() -> None:
    """Writing again counts, reading doesn't."""
    table = BoundedTable[str, int](2)
    table["a"], table["b"] = 1, 2
    table["a"] = 3
    table["c"] = 4
    assert dict(table) == {"a": 3, "c": 4}


def test_stages_and_databases_of_clients_are_bounded() -> None:
    """Thousands of made-up names; what is used in between is still known."""
    profile = StageProfile()
    for number in range(MANY):
        profile.observe_call("external", f"database {number}", f"stage {number}", 100, 10)
        profile.observe_sql("external", f"database {number}", f"stage {number}", 1.0)
        profile.observe_call("text2sql", "shop", "revise", 500, 50)
    assert max(len(profile.stages), len(profile.sql)) <= MOST_NAMES
    assert profile.estimate("text2sql", "shop", "revise").output_tokens == 50
    again = restored(as_plain(profile))
    assert len(again.stages) <= MOST_NAMES


def test_plans_of_clients_are_bounded() -> None:
    """One workflow after the other with stages of its own: the plan of their kind stays short."""
    profile = StageProfile()
    for number in range(MOST_STAGES + 50):
        profile.observe_workflow("external", Counter({f"stage {number}": 1}))
    assert len(profile.plan("external")) == MOST_STAGES
    assert len(restored(as_plain(profile)).plan("external")) == MOST_STAGES


def test_paths_of_clients_are_bounded() -> None:
    """A workflow of thousands of stages, again and again."""
    paths = Paths()
    for number in range(20):
        path = [PathStep(f"stage {number} {step}", 1, 1.0) for step in range(_MOST_PLACES // 16)]
        paths.observe("external", f"database {number}", path)
    assert len(paths._rest) <= _MOST_PLACES
