"""Prewarming on the live path: an internal request that no client sees."""

from __future__ import annotations

import asyncio

from sched.cache.popularity import WORKFLOWS
from sched.limits import PrewarmLimits
from sched.order import PREWARM_PRIORITY
from tests.launch.api.api_stack import Api, api_stack, words
from tests.waiting import reached

SHARED_TOKENS = 256
PREWARM = PrewarmLimits(share=0.9, least_tokens=SHARED_TOKENS)


async def write(api: Api, name: str) -> None:
    """Run a workflow of one call with a long prompt."""
    tag = {"id": name, "stage": "write", "database": "shop", "last": True}
    response = await api.generate(text=words(SHARED_TOKENS + 20), workflow=tag)
    assert response.status_code == 200, response.text


async def plan(api: Api) -> int:
    """Begin a workflow with another stage; return how the call ended."""
    tag = {"id": "next", "stage": "plan", "database": "shop"}
    return (await api.generate(text=words(3), workflow=tag)).status_code


async def test_a_hot_prefix_is_sent_to_an_idle_runtime() -> None:
    """For one token, behind all calls; no client, metric or timeline knows of it."""
    async with api_stack(("r0", "r1"), prewarm=PREWARM) as api:
        for i in range(WORKFLOWS):
            await write(api, f"w{i}")
        before = {worker.name: len(worker.requests) for worker in api.workers}
        assert await plan(api) == 200
        asked = [request for worker in api.workers for request in worker.requests[before[worker.name] :]]
        (prewarm,) = (request for request in asked if request.priority == PREWARM_PRIORITY)
        assert len(prewarm.token_ids) == 4 * SHARED_TOKENS
        assert prewarm.sampling["max_new_tokens"] == 1
        await reached(lambda: all(not r.calls for r in api.dispatcher.runtimes.values()))
        for worker in api.workers:
            worker.answers["metrics"] = ""
        metrics = (await api.client.get("/metrics")).text
        counted = [
            line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith("sluice_calls_total{")
        ]
        assert sum(float(count) for _, count in counted) == WORKFLOWS + 1


async def test_a_call_stops_a_prewarming_on_its_runtime() -> None:
    """The worker is told to abort it, and the call is answered."""
    async with api_stack(("r0",), prewarm=PREWARM) as api:
        for i in range(WORKFLOWS):
            await write(api, f"w{i}")
        api.worker.answers["flush_cache"] = {"success": True}
        flushed = await api.client.post("/flush_cache")
        assert flushed.status_code == 200, flushed.text
        api.worker.stalls = True
        api.worker.go.clear()
        task = asyncio.create_task(plan(api))
        await reached(lambda: bool(api.worker.aborted))
        (prewarm,) = (r for r in api.worker.requests if r.priority == PREWARM_PRIORITY)
        assert api.worker.aborted == [prewarm.rid]
        api.worker.go.set()
        assert await task == 200
