"""Stopped workers and controllers and a killed launcher, with simulated runtimes in real processes.

A limit is short only where a test has a process stand still until it passes.  Should a machine starve another
process for so long, that one is given up, too, and taken back: it costs time and changes no outcome.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from launch.demo_assets import demo_model
from tests.launch.server.test_recovery import QUICK, controllers, generate, sent, shown
from tests.real.real_server import RealServer, real_server
from tests.waiting import eventually

NAMES = [f"call-{number}" for number in range(20)]


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """A file: while it is there, calls on the runtime that it names (all, if empty) get no further."""
    return tmp_path / "hold"


@contextmanager
def _server(folder: Path, hold: Path, model: Path | None = None, **after: float) -> Iterator[RealServer]:
    """Start a server with limits (``hung=3.0``) on what shows no sign of life."""
    given = ("--model-path", str(model)) if model else ()
    limits = [part for name, seconds in after.items() for part in (f"--{name}-after-seconds", str(seconds))]
    held = ("--hold-file", str(hold), "--hang-file", str(hold.with_name("hang")))
    with real_server(folder, "--simulated", *QUICK, *given, *limits, "--", *held) as server:
        assert eventually(lambda: "Sluice is ready" in server.log.read_text())
        yield server
        assert server.stop() == 0
        assert eventually(lambda: not server.survivors()), server.survivors()
        assert list(server.temporary.rglob("*")) == []


def _all_sent(server: RealServer, pool: ThreadPoolExecutor) -> list[Future[httpx.Response]]:
    answers = [pool.submit(generate, server, name) for name in NAMES]
    assert eventually(lambda: len(sent(server)) == len(NAMES)), server.workers()
    return answers


def _status(server: RealServer, name: str) -> str:
    (found,) = (str(worker["status"]) for worker in server.workers() if worker["name"] == name)
    return found


def test_a_scheduler_that_hangs_is_noticed_and_taken_back(tmp_path: Path, hold: Path) -> None:
    """Its calls run elsewhere meanwhile, and the server says so wherever somebody looks."""
    hang = hold.with_name("hang")
    with _server(tmp_path, hold, hung=3.0) as server, ThreadPoolExecutor(len(NAMES)) as pool:
        victim, other = server.workers()
        hold.touch()
        answers = _all_sent(server, pool)
        on_victim = {name for name, runtime in sent(server).items() if runtime == victim["name"]}
        assert 0 < len(on_victim) < len(NAMES)
        hang.write_text(victim["name"])
        assert eventually(lambda: _status(server, victim["name"]) == "hung")
        hold.unlink()
        assert {answer.result().status_code for answer in answers} == {200}
        for name in on_victim:
            (call,) = shown(server, name)["timeline"]
            assert (call["runtime"], call["state"]) == (other["name"], "finished")
        said = f"sluice: runtime {victim['name']} was lost: its scheduler has shown no sign of life"
        assert said in server.log.read_text(), "it stands in the default log"
        with server.client() as client:
            readiness = client.get("/readiness")
        assert (readiness.status_code, readiness.json()["degraded"]) == (200, True)
        hang.unlink()
        assert eventually(server.ready)
        assert server.workers()[0]["pid"] == victim["pid"]
        assert f"runtime {victim['name']} serves again" in server.log.read_text()


@pytest.mark.slow
def test_a_stopped_worker_is_noticed_and_runs_nothing_twice(tmp_path: Path, hold: Path) -> None:
    """The kernel says that it is stopped.  When it wakes up, it gives up what it had, and is taken back."""
    with _server(tmp_path, hold, hung=3.0) as server, ThreadPoolExecutor(1) as pool:
        pids = {worker["pid"] for worker in server.workers()}
        hold.touch()
        again = pool.submit(generate, server, "again")
        assert eventually(lambda: "again" in sent(server))
        where = sent(server)["again"]
        (pid,) = (worker["pid"] for worker in server.workers() if worker["name"] == where)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert eventually(lambda: sent(server).get("again") not in (None, where)), server.workers()
            hold.unlink()
            assert again.result().status_code == 200
        finally:
            os.kill(pid, signal.SIGCONT)
        assert eventually(server.ready)
        assert eventually(server.idle), "what the woken worker had is given up"
        assert {worker["pid"] for worker in server.workers()} == pids
        assert len(shown(server, "again")["timeline"]) == 1


@pytest.mark.slow
def test_stopped_processes_are_killed_and_started_again(tmp_path: Path, hold: Path) -> None:
    """A worker and then the controller; a runtime that hangs for too long has its worker end."""
    with _server(tmp_path, hold, hung=3.0, lost=3.0, kill=6.0) as server:
        first, second = server.workers()
        os.kill(first["pid"], signal.SIGSTOP)
        silent = "has shown no sign of life for 6 s: killed"
        assert eventually(lambda: f"runtime {first['name']} {silent}" in server.log.read_text())
        assert eventually(lambda: server.ready() and server.workers()[0]["pid"] != first["pid"])
        assert generate(server, "one").status_code == 200

        (pid,) = controllers(server)
        os.kill(pid, signal.SIGSTOP)
        assert eventually(lambda: f"controller {silent}" in server.log.read_text())
        assert eventually(lambda: bool(controllers(server) - {pid}) and server.ready())
        assert generate(server, "two").status_code == 200

        hang = hold.with_name("hang")
        hang.write_text(second["name"])
        told = f"runtime {second['name']} died (exit code 1) and is started again"
        assert eventually(lambda: told in server.log.read_text())
        assert "ended: its scheduler shows no sign of life" in server.log.read_text()
        hang.unlink()
        assert eventually(lambda: server.ready() and server.workers()[1]["pid"] != second["pid"])


@pytest.mark.slow
def test_a_runtime_that_dies_at_every_start_is_shown(tmp_path: Path, hold: Path) -> None:
    """It is started again and again, the others serve, and it comes back with its model."""
    model = tmp_path / "model"
    shutil.copytree(demo_model(), model)
    tokenizer, aside = model / "tokenizer.json", model / "aside"
    with _server(tmp_path, hold, model=model) as server:
        victim, other = server.workers()
        tokenizer.rename(aside)
        os.kill(victim["pid"], signal.SIGKILL)
        assert eventually(lambda: server.workers()[0].get("failed_starts", 0) >= 2)
        missing = server.workers()[0]
        assert missing["status"] == "missing"
        assert "failed to start" in missing["ended"]
        assert "tokenizer.json" in missing["ended"]
        assert generate(server, "meanwhile").status_code == 200
        with server.client() as client:
            assert client.get("/readiness").json()["missing"] == [victim["name"]]
        aside.rename(tokenizer)
        assert eventually(server.ready)
        assert server.workers()[1]["pid"] == other["pid"]


def test_without_a_launcher_what_was_accepted_is_answered(tmp_path: Path, hold: Path) -> None:
    """New work is refused, and nothing is left: no process, no socket, no file."""
    with real_server(tmp_path, "--simulated", *QUICK, "--", "--hold-file", str(hold)) as server:
        hold.touch()
        with ThreadPoolExecutor(len(NAMES)) as pool:
            answers = _all_sent(server, pool)
            server.family = server.processes()
            server.process.kill()
            server.process.wait()

            def refusal() -> httpx.Response:
                with server.client() as client:
                    return client.post("/generate", json={"text": "new"})

            assert eventually(lambda: refusal().status_code == 503)
            refused = refusal()
            assert refused.json()["error"]["message"] == "the server is shutting down"
            assert int(refused.headers["retry-after"]) >= 1
            hold.unlink()
            assert {answer.result().status_code for answer in answers} == {200}
        assert eventually(lambda: not server.survivors()), server.survivors()
        assert eventually(lambda: list(server.temporary.rglob("*")) == [])
