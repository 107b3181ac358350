"""What is believed of a real SGLang's radix cache, checked against what it finds.

One small runtime on one core, whose cache of 4,096 tokens the workflows overfill many times.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from engine.commands import FLUSH_CACHE
from engine.spec import WorkerSpec
from tests.engine.cache_traffic import START_SECONDS, Check, Traffic, controlled, eventually
from tests.engine.worker_process import WorkerProcess, started
from tests.random_model import default_folder, ensure_model

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")

CACHE_TOKENS = 4096


@module_fixture
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of the controller to a worker that is ready."""
    folder = tmp_path_factory.mktemp("cache")
    endpoint = f"ipc://{folder}/link"
    spec = WorkerSpec(
        name="real",
        endpoint=endpoint,
        model_path=str(ensure_model(default_folder())),
        device="cpu",
        cpu_core=0,
        heartbeat_seconds=0.5,
        engine_args={"max_total_tokens": CACHE_TOKENS, "max_running_requests": 8},
    )
    worker = WorkerProcess(spec, Path(folder))
    async with started(worker):
        status = await worker.until("ready", START_SECONDS)
        assert status["stage"] == "ready", status
        yield endpoint


def percentile(values: list[int], share: float) -> int:
    """Return the nearest rank."""
    return sorted(values)[max(0, round(share * len(values)) - 1)]


def summary(checks: list[Check]) -> str:
    """Return the figures of a run in a line."""
    errors = [check.error for check in checks]
    right = sum(check.error_in_blocks == 0 for check in checks) / len(checks)
    cached = statistics.mean(check.found for check in checks)
    return (
        f"{len(checks)} calls, on average {cached:.0f} tokens cached; "
        f"|believed - found|: median {percentile(errors, 0.5)}, P90 {percentile(errors, 0.9)}, "
        f"mean {statistics.mean(errors):.1f} tokens; {right:.1%} right to the block"
    )


async def test_belief_and_cache_agree(
    endpoint: str, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Siblings, multi-turn calls and eviction, three workflows at a time: median within a block, P90 two."""
    async with controlled(endpoint, "real") as (controller, exchange):
        cache = exchange.dispatcher.runtimes["real"].cache
        await eventually(lambda: cache.describe()["source"] == "reported")
        traffic = Traffic(controller, seed=1, databases=6)
        await traffic.run(24, at_once=3)
        with capsys.disabled():
            print(f"\nbelieved and real cache: {summary(traffic.checks)}")
        record_property("cache", summary(traffic.checks))
        errors = [check.error for check in traffic.checks]
        assert len(errors) == 24 * 6
        assert statistics.mean(check.found for check in traffic.checks) > 250, "prefixes are shared"
        assert percentile(errors, 0.5) <= 32
        assert percentile(errors, 0.9) <= 64
        described = cache.describe()
        cached = exchange.dispatcher.runtimes["real"].outlook.cached.accuracy()
        assert cached.predictions == len(errors)
        assert cached.p90 == pytest.approx(percentile(errors, 0.9), abs=8)
        # More was computed than fits, so that much was evicted.
        assert 0.75 * CACHE_TOKENS < int(described["tokens"] or 0) <= CACHE_TOKENS


async def test_a_new_controller_knows_the_cache(endpoint: str) -> None:
    """The worker tells whoever comes next all it holds: a prompt of before is known to be cached."""
    async with controlled(endpoint, "real") as (controller, exchange):
        cache = exchange.dispatcher.runtimes["real"].cache
        await eventually(lambda: cache.describe()["source"] == "reported")
        first = Traffic(controller, seed=2)
        await first.run(1, at_once=1)
    async with controlled(endpoint, "real") as (controller, exchange):
        cache = exchange.dispatcher.runtimes["real"].cache
        await eventually(lambda: cache.describe()["source"] == "reported")
        again = Traffic(controller, seed=2)
        await again.run(1, at_once=1)
        assert again.checks[0].found > 400, "the same prompt again"
        assert again.checks[0].error_in_blocks == 0


async def test_an_emptied_cache_is_known_to_be_empty(endpoint: str) -> None:
    """SGLang's own word for a flush reaches the belief, without the core being told of the flush."""
    async with controlled(endpoint, "real") as (controller, exchange):
        cache = exchange.dispatcher.runtimes["real"].cache
        await Traffic(controller, seed=3).run(1, at_once=1)
        await eventually(lambda: int(cache.describe()["tokens"] or 0) > 0)

        async def flushed() -> bool:
            """Refused until SGLang has put the last call away."""
            return (await exchange.inquiries.ask(FLUSH_CACHE, 10.0))["real"].result is True

        async with asyncio.timeout(START_SECONDS):
            while not await flushed():  # noqa: ASYNC110 (the runtime is asked)
                await asyncio.sleep(0.05)
        await eventually(lambda: cache.describe()["tokens"] == 0)
