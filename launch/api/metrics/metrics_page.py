"""The ``/metrics`` page: our own numbers (``sluice_*``) and SGLang's (``sglang:*``), runtime by runtime."""

from __future__ import annotations

from prometheus_client import generate_latest

from engine.controller.exchange import Exchange
from engine.sglang.process_metrics import merge
from engine.wire import actions
from launch.api.metrics.gauges import Gauges
from launch.api.metrics.meters import Meters

SCRAPE_SECONDS = 0.5
"""Time for a runtime to tell its metrics; it needs some ten milliseconds."""


class Metrics:
    """``meters``, the state of ``exchange``, and what its runtimes report when asked."""

    def __init__(self, meters: Meters, exchange: Exchange) -> None:
        self.meters = meters
        self._exchange = exchange
        meters.registry.register(Gauges(exchange))

    async def text(self) -> str:
        """Return everything in Prometheus' text format; a runtime that doesn't answer in time is left out."""
        replies = await self._exchange.inquiries.ask(actions.METRICS, SCRAPE_SECONDS)
        reported = merge(reply.result for reply in replies.values() if reply.result)
        return generate_latest(self.meters.registry).decode() + reported
