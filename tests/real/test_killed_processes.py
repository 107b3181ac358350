"""A real runtime that is killed under load, a scheduler that is stopped, and a controller that is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from tests.launch.server.test_recovery import controllers, kill_controller, log
from tests.real.real_server import RealServer, real_server
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

SLO_SECONDS = 600.0
HUNG_SOON = ("--hung-after-seconds", "10")
"""A scheduler that lives turns every second, or uses processor time."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """Two real runtimes that only these tests use."""
    with real_server(tmp_path_factory.mktemp("own"), "--cpu-slots", "2", *HUNG_SOON) as server:
        yield server


def _generate(server: RealServer, name: str, tokens: int = 256) -> httpx.Response:
    body = {
        "text": f"call {name} " * 20,
        "sampling_params": {"max_new_tokens": tokens, "ignore_eos": True},
        "workflow": {"id": name, "slo_seconds": SLO_SECONDS, "last": True},
    }
    with server.client() as client:
        return client.post("/generate", json=body)


def _call(server: RealServer, name: str) -> dict[str, Any]:
    with server.client() as client:
        workflow = client.get(f"/v1/workflows/{name}").raise_for_status().json()
    return dict(workflow["timeline"][0]) | {"slo_seconds": workflow["slo_seconds"]}


def _under_way(server: RealServer, names: list[str], runtime: str) -> set[str]:
    """Return the calls that a runtime, which is stopped, has not answered.

    An answer that it had sent before is there at the second time of asking, if not at the first.
    """
    for _ in range(2):
        calls = {name: _call(server, name) for name in names}
    open_states = ("dispatched", "running")
    return {n for n, call in calls.items() if call["runtime"] == runtime and call["state"] in open_states}


def test_a_killed_runtime_loses_no_call(own: RealServer) -> None:
    """Its calls run on the other one with their first deadline, and it comes back with our order live."""
    names = [f"load-{number}" for number in range(20)]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = [pool.submit(_generate, own, name) for name in names]
        assert eventually(lambda: own.load() >= 16), own.workers()
        victim, other = own.workers()
        os.kill(victim["pid"], signal.SIGSTOP)
        on_victim = _under_way(own, names, victim["name"])
        begun = time.monotonic()
        os.kill(victim["pid"], signal.SIGKILL)
        lost = f"runtime {victim['name']} was lost: its process died"
        assert eventually(lambda: lost in log(own, "controller")), "it was not noticed"
        noticed = time.monotonic() - begun
        assert {answer.result().status_code for answer in answers} == {200}
    moved = time.monotonic() - begun
    calls = {name: _call(own, name) for name in names}
    assert on_victim
    for name, call in calls.items():
        assert call["attempts"] == (2 if name in on_victim else 1)
        assert call["runtime"] == other["name"] or name not in on_victim
        assert call["slo_seconds"] == SLO_SECONDS
    assert eventually(lambda: own.ready())
    back = own.workers()[0]
    assert back["pid"] != victim["pid"]
    assert back["hook_live"] is True
    print(
        f"noticed after {noticed:.2f} s, {len(on_victim)} calls moved and all 20 done after {moved:.1f} s, "
        f"both runtimes up after {time.monotonic() - begun:.1f} s"
    )


def _scheduler_of(server: RealServer, worker_pid: int) -> psutil.Process:
    """Return SGLang's scheduler process below a worker."""
    below = {process.pid: process for process in psutil.Process(worker_pid).children(recursive=True)}
    (pid,) = (pid for pid in server.gate.pids() if pid in below)
    return below[pid]


def test_a_stopped_scheduler_is_noticed_and_runs_nothing_twice(own: RealServer) -> None:
    """Its calls are answered by the other runtime; woken up, it ends them unseen, and serves again."""
    assert eventually(own.ready)
    names = [f"stopped-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        with own.gate.held():
            answers = [pool.submit(_generate, own, name, 16) for name in names]
            own.gate.until_received(len(names))
            calls = {name: _call(own, name) for name in names}
            victim = next(worker for worker in own.workers() if worker["name"] == calls[names[0]]["runtime"])
            moved = {name for name, call in calls.items() if call["runtime"] == victim["name"]}
            scheduler = _scheduler_of(own, victim["pid"])
            scheduler.suspend()
            begun = time.monotonic()
            said = f"runtime {victim['name']} was lost: its scheduler has shown no sign of life"
            assert eventually(lambda: said in own.log.read_text()), own.workers()
            noticed = time.monotonic() - begun
            own.gate.until(lambda seen: max(one.waiting for one in seen) == len(names))
        assert {answer.result().status_code for answer in answers} == {200}
    for name in names:
        call = _call(own, name)
        assert (call["attempts"], call["runtime"] != victim["name"]) == (2 if name in moved else 1, True)
    with own.gate.held():
        scheduler.resume()
        assert eventually(own.ready), own.workers()
        own.gate.until(lambda seen: not any(one.running or one.waiting for one in seen))
    assert [worker["pid"] for worker in own.workers() if worker["name"] == victim["name"]] == [victim["pid"]]
    (woken,) = (one for one in own.gate.seen() if one.pid == scheduler.pid)
    assert woken.admitted == (), "what it had is not begun after it woke up"
    assert _generate(own, "afterwards", 16).status_code == 200
    print(f"noticed after {noticed:.1f} s, {len(moved)} calls moved")


def test_the_runtimes_outlive_the_controller(own: RealServer) -> None:
    """A new controller takes over loaded runtimes, which drop what the old one had asked for."""
    assert eventually(lambda: own.ready())
    pids = [worker["pid"] for worker in own.workers()]
    (before,) = controllers(own)
    # Paced, 4,000 tokens last for an hour: no call comes to its end.
    with own.gate.paced(1.0), ThreadPoolExecutor(4) as pool:
        lost = [pool.submit(_generate, own, f"lost-{number}", 4000) for number in range(4)]
        assert eventually(lambda: own.load() == 4), own.workers()
        ready = kill_controller(own)
        assert before not in controllers(own)
        assert all(isinstance(answer.exception(), httpx.TransportError) for answer in lost)
        own.gate.until(lambda seen: not any(one.running or one.waiting for one in seen))
        assert eventually(own.idle), own.workers()
    assert [worker["pid"] for worker in own.workers()] == pids
    with own.client() as client:
        question = {"question": "How many orders were placed?", "database": "shop", "candidates": 1}
        assert client.post("/v1/text2sql", json=question).status_code == 200
        workflow = client.get("/v1/workflows/lost-0").json()
    assert (workflow["state"], workflow["error"]["code"]) == ("failed", "controller_lost")
    print(f"ready {ready:.2f} s after the controller was killed")


def test_without_a_launcher_what_was_accepted_is_answered(own: RealServer) -> None:
    """The last test of this server: it ends with nothing left, SGLang's processes included."""
    assert eventually(own.ready)
    names = [f"accepted-{number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        with own.gate.held():
            answers = [pool.submit(_generate, own, name, 16) for name in names]
            own.gate.until_received(len(names))
            own.family = own.processes()
            own.process.kill()
            own.process.wait()
            with own.client() as client:
                assert eventually(lambda: client.post("/generate", json={"text": "new"}).status_code == 503)
        assert {answer.result().status_code for answer in answers} == {200}
    assert eventually(lambda: not own.survivors()), own.survivors()
    assert eventually(lambda: list(own.temporary.rglob("*")) == [])
