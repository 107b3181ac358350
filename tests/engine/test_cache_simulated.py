"""From a worker's cache to the controller's belief, over the wire; the runtime is simulated."""

from __future__ import annotations

from array import array

import pytest

from engine.wire.actions import FLUSH_CACHE
from engine.wire.messages import CacheChanged, CacheRequest, Command
from sched.cache.prefix import block_chain
from tests.engine.cache_traffic import Traffic, controlled
from tests.engine.fake_controller import FakeController, rid
from tests.engine.worker_process import StartWorker, generate
from tests.waiting import reached

FAST = {"prefill_tokens_per_second": 1e5, "decode_tokens_per_second": 1e3}


async def test_belief_and_cache_agree_under_eviction(worker: StartWorker, endpoint: str) -> None:
    """Workflows one after another fill a small cache many times over: no prediction is a block off.

    (Calls run in the order in which they are sent; otherwise siblings may change places.)
    """
    arguments = FAST | {"max_total_tokens": 4096}
    async with (
        worker(engine_args=arguments),
        controlled(endpoint, "sim", ordering="fcfs") as (controller, _),
    ):
        await reached(lambda: controller.fleet.describe()[0]["prefix_cache"]["source"] == "reported")
        traffic = Traffic(controller, seed=1, databases=5)
        await traffic.run(15, at_once=1)
        assert len(traffic.checks) == 90
        assert sum(check.found > 0 for check in traffic.checks) > 60, "prefixes are shared"
        assert sum(check.error_in_blocks > 0 for check in traffic.checks) == 0
        described = controller.fleet.describe()[0]
        cached = described["prediction_errors"]["cached_tokens"]
        assert cached["predictions"] == 90
        assert 0 <= cached["median"] <= cached["p90"] < 32
        assert 3000 < described["prefix_cache"]["tokens"] <= 4096


async def test_without_events_the_cache_is_guessed(worker: StartWorker, endpoint: str) -> None:
    """A worker told not to report leaves the controller to its guess."""
    async with (
        worker(engine_args=FAST, kv_events=False),
        controlled(endpoint, "sim") as (controller, _),
    ):
        traffic = Traffic(controller, seed=1)
        await traffic.run(2, at_once=1)
        described = controller.fleet.describe()[0]
        assert described["prefix_cache"]["source"] == "guessed"
        assert described["prediction_errors"]["cached_tokens"]["predictions"] == 12
        assert described["prefix_cache"]["tokens"] > 0


@pytest.fixture
def blocks() -> list[int]:
    """The blocks of a prompt of 100 times token 7."""
    return list(block_chain(array("i", [7] * 100).tobytes()))


async def test_a_worker_reports_when_asked(
    worker: StartWorker, controller: FakeController, blocks: list[int]
) -> None:
    """All at first, then changes, an emptied cache included; each controller that asks gets it all."""
    async with worker(engine_args=FAST):
        await controller.hello("sim")
        await controller.finished("sim", generate("before", [7] * 100))
        controller.send("sim", CacheRequest())
        await controller.finished("sim", generate("after", [9] * 32))
        controller.send("sim", Command(rid=rid("flush"), action=FLUSH_CACHE, seconds=600.0))

        def reports() -> list[CacheChanged]:
            return [message for message in controller.received if isinstance(message, CacheChanged)]

        await reached(lambda: len(reports()) == 3)
        controller.send("sim", CacheRequest())
        await reached(lambda: len(reports()) == 4)
    other = list(block_chain(array("i", [9] * 32).tobytes()))
    found = [(r.sequence, r.scope, sorted(r.added), sorted(r.removed)) for r in reports()]
    assert found == [
        (1, "all", sorted(blocks), []),
        (2, "changes", other, []),
        (3, "changes", [], sorted([*blocks, *other])),
        (4, "all", [], []),
    ]
