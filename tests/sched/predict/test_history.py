"""What is learned of paths, and how much of a path that never ends."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from sched.predict.forecast import _extend
from sched.predict.history import MOST_PATH_STEPS, MOST_VISITS, Paths, PathStep


class Counted(dict[Hashable, tuple[int, float]]):
    """Counts how often it is looked into."""

    looks = 0

    def get(self, key: Hashable, default: object = None) -> object:  # type: ignore[override]
        self.looks += 1
        return super().get(key, default)


@pytest.mark.parametrize("visit", [MOST_VISITS, 10_000])
def test_a_late_visit_costs_no_more_than_an_early_one(visit: int) -> None:
    """Nothing is known yet: every visit that is told apart is looked for, for the database and its kind."""
    paths, known = Paths(), Counted()
    paths._rest = known  # type: ignore[assignment]
    assert paths.rest("external", "shop", "step", visit) is None
    assert known.looks == 2 * MOST_VISITS


def test_of_a_long_path_the_first_visits_are_learned() -> None:
    """Later ones are as the last of them; the whole counts to its end."""
    paths, steps = Paths(), 10 * MOST_VISITS
    for _ in range(3):
        paths.observe("external", None, [PathStep("step", visit + 1, 2.0) for visit in range(steps)])
    assert len(paths._rest) == MOST_VISITS + 1
    assert paths.whole("external", None) == 2.0 * steps
    assert paths.rest("external", None, "step", 1) == 2.0 * (steps - 1)
    last = 2.0 * (steps - MOST_VISITS)
    assert paths.rest("external", None, "step", MOST_VISITS) == last
    assert paths.rest("external", None, "step", steps) == last


def test_a_path_that_never_ends_is_bounded_and_keeps_its_length() -> None:
    """Its last step stands for all that follow."""
    path: list[PathStep] = []
    for visit in range(3 * MOST_PATH_STEPS):
        _extend(path, PathStep("step", visit + 1, 2.0))
    assert len(path) == MOST_PATH_STEPS
    assert sum(step.seconds for step in path) == 6.0 * MOST_PATH_STEPS
