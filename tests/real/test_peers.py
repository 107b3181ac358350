"""A stock SGLang server as comparisons start it, beside Sluice's own runtimes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from engine.sglang import hook, slowdown, variables
from engine.wire.worker_spec import WorkerSpec
from launch.bench.peers.pair import stock_spec, until_answered
from launch.bench.replay.token_prompts import token_ids
from launch.bench.stand import HOST, processes
from launch.checks import free_port
from launch.demo_assets import demo_model
from tests.launch.bench.replay.replay_fakes import call, workflow
from tests.real.real_server import RealServer

# A server of its own takes most of a minute to start, and only the comparison with peers rests on it.
pytestmark = [pytest.mark.real, pytest.mark.slow]

_START_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Stock:
    url: str
    pid: int
    log: Path

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    """A stock server that is slowed down, one request at a time, with SGLang's own log."""
    spec = WorkerSpec(
        name="slow",
        endpoint="",
        model_path=demo_model(),
        device="cpu",
        cpu_core=0,
        slowdown=2.0,
        engine_args={"max_running_requests": 1, "log_level": "info"},
    )
    with asyncio.Runner() as runner:
        stand = processes()
        started = runner.run(stand.__aenter__())
        try:
            port = free_port()
            child = runner.run(started.start(stock_spec(spec, port)))
            url = f"http://{HOST}:{port}"
            runner.run(until_answered([child], [f"{url}/health"], _START_SECONDS))
            yield Stock(url, child.pid, child.log)
            child.kill()
        finally:
            runner.run(stand.__aexit__(None, None, None))


def _body(ids: list[int], tokens: int, **sampling: Any) -> dict[str, Any]:
    forced = {"max_new_tokens": tokens, "temperature": 0.0, "ignore_eos": True}
    return {"input_ids": ids, "sampling_params": forced | sampling}


async def _order(url: str, keys: list[float]) -> list[float]:
    """Send a long request, behind it one per key; end it, and return the keys in the order of the answers."""
    done: list[float] = []
    async with httpx.AsyncClient(base_url=url, timeout=_START_SECONDS, trust_env=False) as client:

        async def send(key: float) -> None:
            place = hook.custom_params(key, 0)
            answer = await client.post("/generate", json=_body([400, 500, 600], 2, custom_params=place))
            assert answer.status_code == 200
            done.append(key)

        long = _body([401, 501], 3000) | {"rid": "long"}
        blocker = asyncio.create_task(client.post("/generate", json=long))
        behind: list[asyncio.Task[None]] = []
        await _until_waiting(client, running=1, waiting=0)
        for key in keys:
            behind.append(asyncio.create_task(send(key)))
            await _until_waiting(client, running=1, waiting=len(behind))
        assert not blocker.done(), "the others must wait behind it"
        await client.post("/abort_request", json={"rid": "long"})
        await asyncio.gather(blocker, *behind)
    return done


async def _until_waiting(client: httpx.AsyncClient, running: int, waiting: int) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            (load,) = (await client.get("/v1/loads")).raise_for_status().json()["loads"]
            if (load["num_running_reqs"], load["num_waiting_reqs"]) == (running, waiting):
                return
            await asyncio.sleep(0.05)


async def test_a_stock_server_has_no_order_of_ours(stock: Stock) -> None:
    """It answers in order of arrival, although the requests carry keys that would turn it round."""
    assert await _order(stock.url, [3.0, 2.0, 1.0]) == [3.0, 2.0, 1.0]


def test_a_stock_server_has_no_hook_but_the_slowdown(stock: Stock) -> None:
    """SGLang says which hooks it applies: one, the slowdown's; ours isn't asked for in any process."""
    applied = [line for line in stock.log.read_text().splitlines() if "Applied" in line and "hook(s)" in line]
    assert applied
    assert all(
        "Applied 1 hook(s) to sglang.srt.managers.scheduler.Scheduler.run_batch" in line
        and f"plugin={slowdown.PLUGIN}," in line
        for line in applied
    )
    environments = [process.environ() for process in stock.processes()]
    told = [e for e in environments if "SGLANG_PLUGINS" in e]
    assert told
    assert all(e["SGLANG_PLUGINS"] == slowdown.PLUGIN for e in told)
    assert all(variables.HOOK not in e for e in environments)
    folders = {e[variables.RUN_DIR] for e in told}
    assert [path for folder in folders for path in Path(folder).glob(hook.STEPS_FILE)] == []


def test_both_compute_the_same_from_a_trace(stock: Stock, pair: RealServer) -> None:
    """The prompts of a trace give the same greedy output on a stock server and through Sluice."""
    flow = workflow("both", call(0), call(1, 0, stage="draft"))
    for told in flow.calls:
        body = _body(token_ids(flow, told).tolist(), 8)
        with pair.client() as client:
            ours = client.post("/generate", json=body).json()
        theirs = httpx.post(
            f"{stock.url}/generate", json=body, timeout=_START_SECONDS, trust_env=False
        ).json()
        assert ours["output_ids"] == theirs["output_ids"]
        assert len(ours["output_ids"]) == 8
        assert (
            ours["meta_info"]["prompt_tokens"] == theirs["meta_info"]["prompt_tokens"] == told.prompt_tokens
        )
        assert theirs["meta_info"]["weight_version"] == "slow"
        assert theirs["meta_info"]["queue_time"] >= 0
        assert ours["meta_info"]["queue_time"] >= 0
