"""The controller's end of the reports on prefix caches: in order and without gaps, or asked for anew."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine.wire.link import RouterLink
from engine.wire.messages import CacheChanged, CacheRequest
from sched.events import CacheReported, CacheScope

logger = logging.getLogger(__name__)


class CacheReports:
    """Hands what runtimes report to ``believe``; a runtime must be asked once when it comes up."""

    def __init__(self, link: RouterLink, believe: Callable[[CacheReported], None]) -> None:
        self._link = link
        self._believe = believe
        self._latest: dict[str, int] = {}

    def ask(self, identity: bytes, runtime: str) -> None:
        """Have a runtime report everything; until it does, what it reports is not used."""
        self._latest.pop(runtime, None)
        self._link.send(identity, CacheRequest())

    def take(self, identity: bytes, report: CacheChanged) -> None:
        """Take a report; after a gap everything is asked for."""
        scope = CacheScope(report.scope)
        latest = self._latest.get(report.runtime)
        if scope is CacheScope.CHANGES:
            if latest is None:
                return  # everything comes soon
            if report.sequence != latest + 1:
                logger.warning("a report on the cache of runtime %s is missing", report.runtime)
                self.ask(identity, report.runtime)
                return
        self._latest[report.runtime] = report.sequence
        self._believe(CacheReported(report.runtime, scope, report.added, report.removed))
