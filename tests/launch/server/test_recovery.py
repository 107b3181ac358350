"""Killed workers and controllers, with the true launcher and simulated runtimes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.real.real_server import RealServer, real_server
from tests.waiting import GUARD_SECONDS, eventually

CALL_TOKENS = 8
SLO_SECONDS = 600.0
QUICK = ("--candidates", "1", "--max-revisions", "0")
StartServer = Callable[..., RealServer]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start a server with two simulated runtimes of eight slots each."""
    with ExitStack() as stack:

        def server(*arguments: str) -> RealServer:
            folder = tmp_path_factory.mktemp("server")
            return stack.enter_context(real_server(folder, "--simulated", *QUICK, *arguments))

        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``hold`` lies."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="module")
def shared() -> list[RealServer]:
    """The latest server that tests share, once there is one."""
    return []


@pytest.fixture
def server(start: StartServer, place: Path, shared: list[RealServer]) -> RealServer:
    """A ready server, shared by the tests until one of them stops it."""
    if not shared or shared[-1].process.poll() is not None:
        shared.append(start("--", "--hold-file", str(place)))
    assert eventually(lambda: shared[-1].ready())
    return shared[-1]


@pytest.fixture
def hold(place: Path) -> Iterator[Path]:
    """A file: while it is there, calls on the runtimes get no further than their first token."""
    yield place
    place.unlink(missing_ok=True)


def generate(server: RealServer, name: str, tokens: int = CALL_TOKENS, **body: Any) -> httpx.Response:
    """Run one call as the workflow ``name``, the only one of it."""
    with server.client() as client:
        return client.post(
            "/generate",
            json={
                "text": f"call {name}",
                "sampling_params": {"max_new_tokens": tokens},
                "workflow": {"id": name, "slo_seconds": SLO_SECONDS, "last": True},
            }
            | body,
        )


def shown(server: RealServer, name: str) -> dict[str, Any]:
    """Return the workflow ``name`` as the server shows it."""
    with server.client() as client:
        return dict(client.get(f"/v1/workflows/{name}").raise_for_status().json())


def sent(server: RealServer) -> dict[str, str]:
    """Return the runtime of every workflow's first call that was sent to one and has not ended."""
    with server.client() as client:
        names = [w["workflow_id"] for w in client.get("/v1/workflows").json()["workflows"] if w["calls"]]
        calls = {name: client.get(f"/v1/workflows/{name}").json()["timeline"][0] for name in names}
    return {
        name: call["runtime"] for name, call in calls.items() if call["state"] in ("dispatched", "running")
    }


def controllers(server: RealServer) -> set[int]:
    """Return the process ids of the server's controllers: one, or none while it is started again."""
    found = set()
    for process in server.processes():
        with suppress(psutil.NoSuchProcess):
            if "launch.controller" in process.cmdline():
                found.add(process.pid)
    return found


def kill_controller(server: RealServer) -> float:
    """Kill the controller of a started server; return the seconds until another one was ready."""
    assert eventually(lambda: "Sluice is ready" in server.log.read_text())
    (pid,) = controllers(server)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    assert eventually(lambda: bool(controllers(server) - {pid})), server.log.read_text()
    assert eventually(lambda: server.ready()), server.log.read_text()
    return time.monotonic() - killed


def log(server: RealServer, pattern: str) -> str:
    """Return what the processes whose log has such a name have said, in the server's run folder."""
    (pid,) = controllers(server)
    folder = Path(psutil.Process(pid).environ()["TMPDIR"])
    return "".join(file.read_text() for file in folder.glob(f"{pattern}.log"))


def test_calls_of_a_killed_worker_run_elsewhere(server: RealServer, hold: Path) -> None:
    """All calls finish, those of the dead worker in a second attempt and with their first deadline."""
    hold.touch()
    names = [f"call-{number}" for number in range(20)]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = [pool.submit(generate, server, name) for name in names]
        assert eventually(lambda: len(sent(server)) == 20), server.workers()
        victim, other = server.workers()
        on_victim = {name for name, runtime in sent(server).items() if runtime == victim["name"]}
        assert 0 < len(on_victim) < 20
        os.kill(victim["pid"], signal.SIGKILL)
        killed = time.monotonic()
        moved = dict.fromkeys(names, other["name"])
        assert eventually(lambda: sent(server) == moved), sent(server)
        print(f"the calls had moved after {time.monotonic() - killed:.2f} s")
        assert f"runtime {victim['name']} was lost: its process died" in log(server, "controller")
        hold.unlink()
        assert {answer.result().status_code for answer in answers} == {200}
    for name in names:
        workflow = shown(server, name)
        (call,) = workflow["timeline"]
        assert call["attempts"] == (2 if name in on_victim else 1)
        assert call["runtime"] == other["name"]
        assert (workflow["slo_seconds"], workflow["deadline_met"]) == (SLO_SECONDS, True)
        decision = call["decision"]
        deadline = sum(decision[part] for part in ("waited_seconds", "predicted_seconds", "slack_seconds"))
        # Counted from the call's arrival, soon after that of its workflow; a new deadline would come later.
        assert SLO_SECONDS - GUARD_SECONDS < deadline < SLO_SECONDS + 0.001
    assert eventually(lambda: server.ready())


def test_a_stream_that_showed_output_fails_with_its_worker(server: RealServer, hold: Path) -> None:
    """What a client has seen can't be taken back: it is told what happened, in its stream and later."""
    hold.touch()
    body = {
        "text": "a story",
        "stream": True,
        "sampling_params": {"max_new_tokens": CALL_TOKENS},
        "workflow": {"id": "story", "last": True},
    }
    with server.client() as client, client.stream("POST", "/generate", json=body) as response:
        lines = (line for line in response.iter_lines() if line)
        next(lines)
        where = shown(server, "story")["timeline"][0]["runtime"]
        (pid,) = (worker["pid"] for worker in server.workers() if worker["name"] == where)
        os.kill(pid, signal.SIGKILL)
        *_, error, done = lines
    assert '"runtime_failure"' in error
    assert f"runtime {where} was lost: its process died" in error
    assert done == "data: [DONE]"
    workflow = shown(server, "story")
    assert (workflow["state"], workflow["error"]["code"]) == ("failed", "runtime_failure")
    assert workflow["timeline"][0]["attempts"] == 1


def test_the_workers_outlive_the_controller(server: RealServer, hold: Path) -> None:
    """A new controller is ready, on the same workers; it knows what ended and what was lost."""
    pids = [worker["pid"] for worker in server.workers()]
    assert generate(server, "done", 8).status_code == 200
    before = shown(server, "done")
    hold.touch()
    with ThreadPoolExecutor(4) as pool:
        lost: list[Future[httpx.Response]] = [
            pool.submit(generate, server, f"lost-{number}") for number in range(4)
        ]
        assert eventually(lambda: server.load() == 4)
        seconds = kill_controller(server)
        print(f"ready {seconds:.2f} s after the controller was killed")
        assert all(isinstance(answer.exception(), httpx.TransportError) for answer in lost)
    assert [worker["pid"] for worker in server.workers()] == pids
    assert shown(server, "done") == before
    # They are held: only an abort empties the runtimes.
    assert eventually(lambda: server.load() == 0), server.workers()
    hold.unlink()
    question = {"question": "How many orders are there?", "database": "shop"}
    with server.client() as client:
        assert client.post("/v1/text2sql", json=question).status_code == 200
    assert generate(server, "lost-3", 8).status_code == 200, "an id can be used again"
    kill_controller(server)
    for number in range(3):
        workflow = shown(server, f"lost-{number}")
        assert (workflow["state"], workflow["error"]["code"]) == ("failed", "controller_lost")
        assert workflow["deadline_met"] is False
    assert shown(server, "lost-3")["state"] == "finished"
    assert server.stop() == 0
    assert not server.survivors()
    assert list(server.temporary.rglob("*")) == []


def test_a_journal_of_ones_own_outlives_the_server(start: StartServer, tmp_path: Path) -> None:
    """With --journal a later server still knows the workflows of an earlier one, asked or cancelled."""
    journal = str(tmp_path / "journal")
    server = start("--journal", journal)
    assert generate(server, "done", 8).status_code == 200
    before = shown(server, "done")
    assert server.stop() == 0
    assert shown(start("--journal", journal), "done") == before
