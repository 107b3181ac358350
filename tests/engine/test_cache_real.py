"""What is believed of a real SGLang's radix cache, checked against what it finds.

One small runtime on one core, whose cache of 4,096 tokens the workflows overfill many times.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable

import pytest

from engine.wire.actions import FLUSH_CACHE
from tests.engine.cache_traffic import Check, Traffic, controlled
from tests.engine.real_worker import CACHE_TOKENS, NAME, RealWorker
from tests.waiting import GUARD_SECONDS, reached

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="session")]

WORKFLOWS = 10
"""What they compute is several times what the cache holds."""


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


@pytest.mark.parametrize("at_once", [1, pytest.param(3, marks=pytest.mark.slow)])
async def test_belief_and_cache_agree(
    at_once: int,
    real: RealWorker,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Siblings, multi-turn calls and eviction: median within a block, P90 within two.

    One call at a time finds what was cached when it was sent.  With three workflows at a time and siblings
    together, chance decides which calls one pass computes, so that only the median is bounded.
    """
    async with controlled(real.endpoint, NAME) as (controller, driver):
        cache = driver.dispatcher.runtimes[NAME].cache
        await reached(lambda: cache.describe()["source"] == "reported")
        traffic = Traffic(controller, seed=1, databases=6, together=at_once > 1)
        await traffic.run(WORKFLOWS, at_once=at_once)
        with capsys.disabled():
            print(f"\nbelieved and real cache: {summary(traffic.checks)}")
        record_property("cache", summary(traffic.checks))
        errors = [check.error for check in traffic.checks]
        assert len(errors) == WORKFLOWS * 6
        assert statistics.mean(check.found for check in traffic.checks) > 250, "prefixes are shared"
        assert percentile(errors, 0.5) <= 32
        assert at_once > 1 or percentile(errors, 0.9) <= 64
        described = cache.describe()
        cached = driver.dispatcher.runtimes[NAME].outlook.cached.accuracy()
        assert cached.predictions == len(errors)
        assert cached.p90 == pytest.approx(percentile(errors, 0.9), abs=8)
        # More was computed than fits, so that much was evicted.
        assert 0.75 * CACHE_TOKENS < int(described["tokens"] or 0) <= CACHE_TOKENS


async def test_a_new_controller_knows_the_cache(real: RealWorker) -> None:
    """The worker tells whoever comes next all it holds: a prompt of before is known to be cached."""
    async with controlled(real.endpoint, NAME) as (controller, driver):
        cache = driver.dispatcher.runtimes[NAME].cache
        await reached(lambda: cache.describe()["source"] == "reported")
        first = Traffic(controller, seed=2)
        await first.run(1, at_once=1)
    async with controlled(real.endpoint, NAME) as (controller, driver):
        cache = driver.dispatcher.runtimes[NAME].cache
        await reached(lambda: cache.describe()["source"] == "reported")
        again = Traffic(controller, seed=2)
        await again.run(1, at_once=1)
        assert again.checks[0].found > 400, "the same prompt again"
        assert again.checks[0].error_in_blocks == 0


async def test_an_emptied_cache_is_known_to_be_empty(real: RealWorker) -> None:
    """SGLang's own word for a flush reaches the belief, without the core being told of the flush."""
    async with controlled(real.endpoint, NAME) as (controller, driver):
        cache = driver.dispatcher.runtimes[NAME].cache
        await Traffic(controller, seed=3).run(1, at_once=1)
        await reached(lambda: int(cache.describe()["tokens"] or 0) > 0)

        async def flushed() -> bool:
            """Refused until SGLang has put the last call away."""
            return (await driver.worker_commands.ask(FLUSH_CACHE, GUARD_SECONDS))[NAME].result is True

        async with asyncio.timeout(GUARD_SECONDS):
            while not await flushed():  # noqa: ASYNC110 (the runtime is asked)
                await asyncio.sleep(0.05)
        await reached(lambda: cache.describe()["tokens"] == 0)
