"""What a call costs outside the runtimes' forward passes: the client, HTTP, the router or the controller."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from launch.bench.cost.probe_load import BenchError
from launch.bench.peers.pair import Pair
from launch.bench.peers.systems import System
from launch.bench.replay.endpoint import CallError
from launch.bench.replay.token_prompts import IDS

_DOORS = (System("router:round_robin"), System("sluice:round_robin+fcfs"))
_CALLS = 40
_PROMPT_TOKENS = 64
_CALL_SECONDS = 60.0


async def outside_seconds(pair: Pair) -> dict[str, float]:
    """Return the seconds of a lone call outside passes, by kind of system: the median of what remains of
    short calls, one at a time, when the pass that their runtime's calibration predicts is taken off.

    Raises:
        BenchError: a call fails.
        ChildError: a router or controller doesn't start.
    """
    random, found = np.random.default_rng(), dict[str, float]()
    for system in _DOORS:
        left = []
        async with pair.serving(system) as endpoint:
            for _ in range(_CALLS):
                ids, started = random.integers(*IDS, size=_PROMPT_TOKENS), time.perf_counter()
                try:
                    answer = await endpoint.generate(ids, 1, {"stage": "probe"}, _CALL_SECONDS)
                except CallError as error:
                    raise BenchError(f"a lone call through {system.name} failed: {error}") from error
                inside = pair.calibrations[answer.runtime].speed.prefill_seconds(_PROMPT_TOKENS)
                left.append(time.perf_counter() - started - inside)
        found[system.kind] = max(0.0, median(left))
    return found
