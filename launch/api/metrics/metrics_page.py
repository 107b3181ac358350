"""The ``/metrics`` page: our own numbers (``sluice_*``) and SGLang's (``sglang:*``), runtime by runtime."""

from __future__ import annotations

from prometheus_client import generate_latest

from engine.controller.core_driver import CoreDriver
from engine.wire import actions
from launch.api.metrics.counters import Meters
from launch.api.metrics.gauges import Gauges
from launch.api.metrics.runtime_texts import merge

SCRAPE_SECONDS = 0.5
"""Time for a runtime to tell its metrics; it needs some ten milliseconds."""


class Metrics:
    """``meters``, the state of ``driver``, and what its runtimes report when asked."""

    def __init__(self, meters: Meters, driver: CoreDriver) -> None:
        self.meters = meters
        self._driver = driver
        meters.registry.register(Gauges(driver))

    async def text(self) -> str:
        """Return everything in Prometheus' text format; a runtime that doesn't answer in time is left out."""
        replies = await self._driver.worker_commands.ask(actions.METRICS, SCRAPE_SECONDS)
        reported = merge(reply.result for reply in replies.values() if reply.result)
        return generate_latest(self.meters.registry).decode() + reported
