"""Runtimes as ``/workers`` shows them."""

from __future__ import annotations

from typing import Any

from engine.controller.exchange import Exchange


def describe_runtimes(exchange: Exchange) -> list[dict[str, Any]]:
    """Return one dictionary per expected runtime: what it says of itself, what is believed and learned."""
    described = exchange.workers.describe(exchange.clock())
    for description in described:
        if runtime := exchange.dispatcher.runtimes.get(description["name"]):
            description["prefix_cache"] = runtime.cache.describe()
            description["speed"] = runtime.latency.describe()
            description["prediction_errors"] = runtime.outlook.describe()
    return described
