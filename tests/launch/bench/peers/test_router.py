"""The router of the package sglang-router, as comparisons start it, before servers that only note."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from launch.bench.peers.pair import router_spec, until_answered
from launch.bench.peers.systems import SYSTEMS, System
from launch.bench.replay.endpoint import Endpoint
from launch.bench.replay.player import Patience, PlayedItem, play
from launch.bench.replay.token_prompts import token_ids
from launch.bench.stand import HOST, processes
from launch.checks import free_port
from tests.launch.bench.peers.noting_server import NotingServer, serving
from tests.launch.bench.replay.replay_fakes import call, workflow
from tests.waiting import GUARD_SECONDS


class _Worker(NotingServer):
    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[list[int]] = []

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """Note the prompt, and answer without a text."""
        self.prompts.append(body["input_ids"])
        lengths = len(body["input_ids"]), body["sampling_params"]["max_new_tokens"]
        told = dict(zip(("prompt_tokens", "completion_tokens"), lengths, strict=True))
        meta = told | {"cached_tokens": 0, "e2e_latency": 0.0, "weight_version": self.url}
        return {"text": "", "output_ids": [], "meta_info": meta}


@pytest.fixture
def workers() -> Iterator[list[_Worker]]:
    servers = [_Worker(), _Worker()]
    with serving(servers):
        yield servers


@pytest.mark.parametrize("system", [s for s in SYSTEMS if s.is_router], ids=lambda s: s.name)
async def test_prompts_reach_stock_servers_as_they_are(workers: list[_Worker], system: System) -> None:
    """Under each of the compared policies every call of a trace arrives once, with the trace's ids."""
    flows = [workflow(str(n), call(0), call(1, 0, stage="draft")) for n in range(4)]
    port = free_port()
    async with processes() as stand:
        child = await stand.start(router_spec("router", system, port, [w.url for w in workers]))
        await until_answered([child], [f"http://{HOST}:{port}/readiness"], GUARD_SECONDS)
        endpoint = Endpoint(f"http://{HOST}:{port}", "sglang")
        try:
            outcomes = await play([PlayedItem(flow, 1.0, 1.0) for flow in flows], endpoint, Patience())
        finally:
            await endpoint.close()
    assert [o.error for o in outcomes] == [None] * 4
    sent = [token_ids(flow, told).tolist() for flow in flows for told in flow.calls]
    assert sorted(p for w in workers for p in w.prompts) == sorted(sent)
    assert {told.runtime for o in outcomes for told in o.calls} <= {w.url for w in workers}
    if "round_robin" in system.name:
        assert [len(w.prompts) for w in workers] == [4, 4]
