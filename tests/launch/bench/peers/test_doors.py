"""What a call costs outside forward passes, measured before servers that take no time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from launch.bench.cost.probe_load import BenchError
from launch.bench.peers.doors import outside_seconds
from launch.bench.peers.pair import Pair
from launch.bench.peers.systems import System
from launch.bench.replay.endpoint import Endpoint
from sched.predict.calibration import Calibration
from sched.predict.speed import Speed
from tests.launch.bench.replay.replay_fakes import FakeServer, Handler


class _Pair:
    """Serves every system at once, as ``Pair`` does with real ones."""

    def __init__(self, handler: Handler) -> None:
        self.served: list[str] = []
        self.server = FakeServer(handler)
        self.calibrations = {name: _calibration(0.0) for name in ("quick", "instant")}

    @asynccontextmanager
    async def serving(self, system: System) -> AsyncIterator[Endpoint]:
        self.served.append(system.kind)
        endpoint = self.server.endpoint("sglang")
        yield endpoint
        await endpoint.close()


def _calibration(pass_seconds: float) -> Calibration:
    return Calibration(
        key={},
        speed=Speed(0.0, pass_seconds),
        max_total_tokens=1000,
        max_running_requests=1,
        chunk_tokens=100,
        error=0.0,
    )


async def test_each_kind_of_system_is_measured_with_short_lone_calls() -> None:
    """What is left beyond the predicted pass of the runtime that answered; never less than nothing."""
    calls = 0

    async def answering(body: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        assert body["sampling_params"]["max_new_tokens"] == 1
        return {"weight_version": "quick" if calls % 2 else "instant"}

    pair = _Pair(answering)
    found = await outside_seconds(cast(Pair, pair))
    assert pair.served == ["router", "sluice"]
    assert set(found) == {"router", "sluice"}
    assert all(seconds > 0 for seconds in found.values())
    prompts = [tuple(body["input_ids"]) for body in pair.server.bodies]
    assert len(set(prompts)) == len(prompts), "nothing may be cached"
    pair.calibrations = {name: _calibration(3600.0) for name in pair.calibrations}
    assert await outside_seconds(cast(Pair, pair)) == {"router": 0.0, "sluice": 0.0}


async def test_a_failed_call_ends_the_measurement() -> None:
    """A figure from fewer calls than were made would be of no use."""

    async def refusing(_body: dict[str, Any]) -> int:
        return 503

    with pytest.raises(BenchError, match="http 503"):
        await outside_seconds(cast(Pair, _Pair(refusing)))
