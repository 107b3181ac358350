"""When a silent process counts as hung, and what time a watcher counts."""

from __future__ import annotations

import pytest

from sched.clock import AttentiveClock, ManualClock
from sched.liveness import REPORT_SECONDS, LifeLimits

LIMITS = LifeLimits(hung_seconds=3.0)


@pytest.mark.parametrize(
    ("pass_seconds", "noticed_after"), [(0.0, 3.0), (1.0, 3.0), (2.0, 6.0), (40.0, 120.0)]
)
def test_a_scheduler_is_hung_after_three_passes_or_seconds(pass_seconds: float, noticed_after: float) -> None:
    """What is noticed in time was reported before: a report may be late by a second."""
    reported = noticed_after - REPORT_SECONDS
    assert LIMITS.is_hung(reported, pass_seconds)
    assert not LIMITS.is_hung(reported - 0.001, pass_seconds)


def test_an_idle_scheduler_that_sleeps_is_not_hung() -> None:
    """SGLang's sleeps for a second at a time."""
    assert not LifeLimits().is_hung(1.5, 0.0)


def test_a_watcher_that_was_stopped_counts_no_time() -> None:
    """It counts what passes between two readings, as far as that is short."""
    clock = ManualClock(100.0)
    seen = AttentiveClock(clock, most_seconds=2.0)
    assert seen() == 0.0
    for _ in range(3):
        clock.advance(0.5)
        assert seen() == pytest.approx(clock() - 100.0)
    clock.advance(60.0)
    assert seen() == pytest.approx(1.5 + 2.0)
    clock.advance(0.5)
    assert seen() == pytest.approx(4.0)
