"""The ``/metrics`` page: our own numbers (``sluice_*``) and SGLang's (``sglang:*``), runtime by runtime."""

from __future__ import annotations

from prometheus_client import generate_latest

from engine import commands
from engine.exchange import Exchange
from engine.sglang_metrics import merge
from launch.api.gauges import Gauges
from launch.api.meters import Meters

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
        replies = await self._exchange.inquiries.ask(commands.METRICS, SCRAPE_SECONDS)
        reported = merge(reply.result for reply in replies.values() if reply.result)
        return generate_latest(self.meters.registry).decode() + reported
