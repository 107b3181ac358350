"""Sharing a workflow's deadline out over the stages that are still expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from sched.workflow import PlanStep


def stage_budget(remaining_seconds: float, stage_seconds: float, rest_seconds: float) -> float:
    """Return a stage's share of the time left, in seconds.

    HexGen-Flow (arXiv 2505.05286, local queue): ``(SLO − elapsed) · t_stage / Σ t`` over the remaining
    expected stages.  The share never passes the deadline; once that has passed, the stage carries the
    whole lateness (a negative budget), so that lateness still orders calls.
    """
    if remaining_seconds <= 0:
        return remaining_seconds
    total = stage_seconds + rest_seconds
    if total <= 0:
        return remaining_seconds
    return min(remaining_seconds, remaining_seconds * stage_seconds / total)


def rest_seconds(
    plan: Iterable[PlanStep], visits: Counter[str], stage_seconds: Callable[[str], float]
) -> float:
    """Return the expected seconds of the critical path after the present stage.

    ``visits`` counts the stages begun so far, the present one included; a stage of the plan still
    owes its expected visits less those.
    """
    owed = ((step.stage, step.visits - visits[step.stage]) for step in plan)
    return sum(visits_left * stage_seconds(stage) for stage, visits_left in owed if visits_left > 0)
