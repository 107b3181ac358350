"""A real runtime that is killed under load, and a controller that is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.launch.real_server import RealServer, eventually, real_server

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

RESTART_SECONDS = 240.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """Two real runtimes that only these tests use."""
    with real_server(tmp_path_factory.mktemp("own"), "--cpu-slots", "2") as server:
        yield server


def _generate(server: RealServer, name: str, tokens: int = 128) -> httpx.Response:
    body = {
        "text": f"call {name} " * 20,
        "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True},
        "workflow": {"id": name, "slo_seconds": 300.0, "last": True},
    }
    with server.client() as client:
        return client.post("/generate", json=body)


def _call(server: RealServer, name: str) -> dict[str, Any]:
    with server.client() as client:
        workflow = client.get(f"/v1/workflows/{name}").raise_for_status().json()
    return dict(workflow["timeline"][0]) | {"slo_seconds": workflow["slo_seconds"]}


def _is_ready(server: RealServer) -> bool:
    try:
        return httpx.get(f"{server.url}/readiness", timeout=5.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _load(server: RealServer) -> int:
    return sum((worker.get("running") or 0) + (worker.get("waiting") or 0) for worker in server.workers())


def test_a_killed_runtime_loses_no_call(own: RealServer) -> None:
    """Its calls run on the other one with their first deadline, and it comes back with our order live."""
    names = [f"load-{number}" for number in range(20)]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = [pool.submit(_generate, own, name) for name in names]
        assert eventually(lambda: _load(own) >= 16, 20.0), own.workers()
        victim, other = own.workers()
        on_victim = {name for name in names if _call(own, name)["runtime"] == victim["name"]}
        begun = time.monotonic()
        os.kill(victim["pid"], signal.SIGKILL)
        assert eventually(lambda: own.workers()[0]["status"] == "missing", 3.0), "it was not noticed"
        noticed = time.monotonic() - begun
        assert {answer.result().status_code for answer in answers} == {200}
    moved = time.monotonic() - begun
    calls = {name: _call(own, name) for name in names}
    assert on_victim
    for name, call in calls.items():
        assert call["attempts"] == (2 if name in on_victim else 1)
        assert call["runtime"] == other["name"] or name not in on_victim
        assert call["slo_seconds"] == 300.0
    assert eventually(lambda: _is_ready(own), RESTART_SECONDS)
    back = own.workers()[0]
    assert back["pid"] != victim["pid"]
    assert back["hook_live"] is True
    print(
        f"noticed after {noticed:.2f} s, {len(on_victim)} calls moved and all 20 done after {moved:.1f} s, "
        f"both runtimes up after {time.monotonic() - begun:.1f} s"
    )


def test_the_runtimes_outlive_the_controller(own: RealServer) -> None:
    """A new controller takes over loaded runtimes, which drop what the old one had asked for."""
    assert eventually(lambda: _is_ready(own), RESTART_SECONDS)
    assert "Sluice is ready" in own.log.read_text()
    pids = [worker["pid"] for worker in own.workers()]
    (controller,) = (p.pid for p in own.processes() if "launch.controller" in p.cmdline())
    with ThreadPoolExecutor(4) as pool:
        lost = [pool.submit(_generate, own, f"lost-{number}", 4000) for number in range(4)]
        assert eventually(lambda: _load(own) == 4, 20.0), own.workers()
        begun = time.monotonic()
        os.kill(controller, signal.SIGKILL)
        assert eventually(lambda: not _is_ready(own), 2.0)
        assert eventually(lambda: _is_ready(own), 20.0)
        ready = time.monotonic() - begun
        assert all(isinstance(answer.exception(), httpx.TransportError) for answer in lost)
    assert [worker["pid"] for worker in own.workers()] == pids
    # 4,000 tokens take most of a minute: only an abort empties the runtimes so soon.
    assert eventually(lambda: _load(own) == 0, 10.0), own.workers()
    with own.client() as client:
        question = {"question": "How many orders were placed?", "database": "shop", "candidates": 1}
        assert client.post("/v1/text2sql", json=question).status_code == 200
        workflow = client.get("/v1/workflows/lost-0").json()
    assert (workflow["state"], workflow["error"]["code"]) == ("failed", "controller_lost")
    print(f"ready {ready:.2f} s after the controller was killed")
