"""The controller's end of the reports on prefix caches."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine.controller.cache_reports import CacheReports
from engine.wire.link import RouterLink
from engine.wire.messages import CacheChanged, CacheRequest, WireMessage
from sched.events import CacheReported, CacheScope


class Link:
    """Notes whom it was asked to send what."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, WireMessage]] = []

    def send(self, identity: bytes, message: WireMessage) -> bool:
        self.sent.append((identity, message))
        return True


class Reports:
    """Reports of runtime r0 from worker w0; ``believed`` is what they led to."""

    def __init__(self) -> None:
        self.link = Link()
        self.believed: list[CacheReported] = []
        self._reports = CacheReports(cast(RouterLink, self.link), self.believed.append)

    def ask(self) -> None:
        self._reports.ask(b"w0", "r0")

    def take(self, sequence: int, scope: str = "changes", **blocks: Any) -> None:
        self._reports.take(b"w0", CacheChanged(runtime="r0", sequence=sequence, scope=scope, **blocks))

    def scopes(self) -> list[str]:
        """Return what was believed since the last time."""
        scopes = [str(report.scope) for report in self.believed]
        self.believed.clear()
        return scopes


def test_a_runtime_is_asked_and_believed() -> None:
    """Reports in order go on as they are."""
    reports = Reports()
    reports.ask()
    assert reports.link.sent == [(b"w0", CacheRequest())]
    reports.take(7, "all", added=[1, 2])
    reports.take(8, added=[3], removed=[1])
    assert reports.believed == [
        CacheReported("r0", CacheScope.ALL, [1, 2]),
        CacheReported("r0", CacheScope.CHANGES, [3], [1]),
    ]
    assert len(reports.link.sent) == 1


def test_changes_to_something_unknown_are_dropped() -> None:
    """What a worker still reported to the controller before this one is of no use."""
    reports = Reports()
    reports.take(3)
    reports.ask()
    reports.take(4)
    assert reports.scopes() == []
    reports.take(5, "all")
    reports.take(6)
    assert reports.scopes() == ["all", "changes"]


@pytest.mark.parametrize("sequence", [9, 11, 12])
def test_after_a_gap_everything_is_asked_for(sequence: int) -> None:
    """A report that is not the next one leads to one request, and counts for nothing."""
    reports = Reports()
    reports.ask()
    reports.take(9, "all")
    reports.scopes()
    reports.take(sequence)
    reports.take(sequence + 1)
    assert reports.scopes() == []
    assert len(reports.link.sent) == 2
    reports.take(sequence + 2, "all")
    reports.take(sequence + 3)
    assert reports.scopes() == ["all", "changes"]


def test_a_runtime_may_lose_track() -> None:
    """That nothing is known any more is passed on, and so is that everything is known again."""
    reports = Reports()
    reports.ask()
    for sequence, scope in enumerate(["all", "unknown", "all", "changes"], start=1):
        reports.take(sequence, scope)
    assert reports.scopes() == ["all", "unknown", "all", "changes"]
