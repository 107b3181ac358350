"""The router of the package sglang-router, as comparisons start it, before servers that only note."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from launch.benches.peers.pair import router_spec, until_answered
from launch.benches.peers.systems import SYSTEMS, System
from launch.benches.replay.endpoint import Endpoint
from launch.benches.replay.player import Item, Patience, play
from launch.benches.replay.prompts import token_ids
from launch.benches.stand import HOST, processes
from launch.checks import free_port
from tests.launch.replay_fakes import call, workflow


class _Worker(ThreadingHTTPServer):
    """Stands for a stock SGLang server and notes the prompts that it gets."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.prompts: list[list[int]] = []
        self.url = f"http://{HOST}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Worker

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._reply({"status": "ok", "model_path": "m", "is_generation": True, "version": "0.5.21"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.prompts.append(body["input_ids"])
        lengths = len(body["input_ids"]), body["sampling_params"]["max_new_tokens"]
        told = dict(zip(("prompt_tokens", "completion_tokens"), lengths, strict=True))
        meta = told | {"cached_tokens": 0, "e2e_latency": 0.0, "weight_version": self.server.url}
        self._reply({"text": "", "output_ids": [], "meta_info": meta})

    def _reply(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def workers() -> Iterator[list[_Worker]]:
    servers = [_Worker(), _Worker()]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("system", [s for s in SYSTEMS if s.is_router], ids=lambda s: s.name)
async def test_prompts_reach_stock_servers_as_they_are(workers: list[_Worker], system: System) -> None:
    """Under each of the compared policies every call of a trace arrives once, with the trace's ids."""
    flows = [workflow(str(n), call(0), call(1, 0, stage="draft")) for n in range(4)]
    port = free_port()
    async with processes() as stand:
        child = await stand.start(router_spec("router", system, port, [w.url for w in workers]))
        await until_answered([child], [f"http://{HOST}:{port}/readiness"], 30.0)
        endpoint = Endpoint(f"http://{HOST}:{port}", "sglang")
        try:
            outcomes = await play([Item(flow, 1.0, 1.0) for flow in flows], endpoint, Patience())
        finally:
            await endpoint.close()
    assert [o.error for o in outcomes] == [None] * 4
    sent = [token_ids(flow, told).tolist() for flow in flows for told in flow.calls]
    assert sorted(p for w in workers for p in w.prompts) == sorted(sent)
    assert {told.runtime for o in outcomes for told in o.calls} <= {w.url for w in workers}
    if "round_robin" in system.name:
        assert [len(w.prompts) for w in workers] == [4, 4]
