"""The launcher's supervision, with tiny stand-in children and a real launcher process."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from launch.server.child import ChildStage
from launch.server.progress import LiveProgress, Progress
from tests.launch.server.stand_in import Server
from tests.waiting import GUARD_SECONDS


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Start a launcher with ``children`` (name to plan), the first being the controller."""
    servers: list[Server] = []

    def starter(
        children: dict[str, dict[str, Any]],
        restarts: dict[str, Any] | None = None,
        logs: bool = False,
        **limits: Any,
    ) -> Server:
        folder = Path(tempfile.mkdtemp(prefix="sl-"))
        servers.append(Server(folder, children, limits, restarts or {}, logs))
        return servers[-1]

    yield starter
    for server in servers:
        server.kill()
        shutil.rmtree(server.folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_together_and_drains(start: Callable[..., Server], tmp_path: Path, number: int) -> None:
    """All children start before any is ready; a signal ends the controller, then the workers, with code 0."""
    gate = tmp_path / "gate"
    # A launcher that ends all at once only passes if every worker is slower to hear of it than this drain.
    server = start({"controller": {"drain": 0.5}, "a": {"gate": str(gate)}, "b": {"gate": str(gate)}})
    server.until(lambda: len(server.pids()) == 3)
    gate.touch()
    server.until_ready()
    server.process.send_signal(number)
    assert server.end() == 0, server.err
    begun = [at for at, _, event in server.journal() if event.startswith("pid")]
    assert max(begun) < min(server.times("ready")[name] for name in "ab")
    assert server.times("end")["controller"] < min(server.times("term")[name] for name in "ab")
    assert "a: imported (1.5 s)" in server.out
    assert server.out.index("b: ready") < server.out.index("READY after")
    assert "0o40700" in server.out
    assert server.left_nothing()


def test_what_the_controller_says_when_ready_is_shown(start: Callable[..., Server]) -> None:
    """The server serves, and the user sees what it can't."""
    server = start({"controller": {"notice": "database 'x' can't be asked: it is empty"}, "a": {}})
    server.until_ready()
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0, server.err
    assert "sluice: database 'x' can't be asked: it is empty" in server.err


def test_failure_at_start_ends_all(start: Callable[..., Server]) -> None:
    """A child that reports a failure ends the start at once: its message, its log, exit code 1."""
    server = start(
        {"controller": {}, "a": {"fails": "the model is broken"}, "b": {"delay": 600, "stubborn": 1}}
    )
    assert server.end() == 1
    assert "a failed to start: the model is broken\n    words of a" in server.err
    assert "READY" not in server.out
    assert "Traceback" not in server.err
    assert server.left_nothing()


def test_death_at_start_ends_all(start: Callable[..., Server]) -> None:
    """A child that dies before it is ready is named with its exit code and last words."""
    server = start({"controller": {}, "a": {"dies": 3}, "b": {"delay": 600}})
    assert server.end() == 1
    assert "a ended while starting (exit code 3)\n    words of a" in server.err
    assert server.left_nothing()


def test_death_of_one_that_was_ready_ends_the_start(start: Callable[..., Server], tmp_path: Path) -> None:
    """The controller waits for a runtime that died before it was accepted; the launcher doesn't."""
    children = {"controller": {"gate": str(tmp_path / "never")}, "a": {"dies_later": 9}, "b": {}}
    server = start(children, settle_seconds=0.1)
    assert server.end() == 1
    assert "a is missing, so the server can't start" in server.err
    assert "a ended before the server was ready (exit code 9)\n    words of a" in server.err
    assert "controller was not ready" not in server.err
    assert "b ended" not in server.err  # it was ended
    assert server.left_nothing()


def test_death_of_one_that_the_controller_has_is_no_failure(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    """It is said at once, and the runtime is started again when the controller is ready."""
    gate = tmp_path / "gate"
    server = start(
        {"controller": {"gate": str(gate)}, "a": {"dies_later": 9}, "b": {}}, settle_seconds=GUARD_SECONDS
    )
    server.until(lambda: "a ended before the server was ready (exit code 9)\n    words of a" in server.err)
    gate.touch()
    server.until_ready()
    server.until(lambda: len(server.pids("a")) > 1)
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0, server.err
    assert server.left_nothing()


def test_start_takes_too_long(start: Callable[..., Server]) -> None:
    """A child that isn't ready in time ends the start; it is named with the flag to change."""
    server = start({"controller": {"delay": 600}, "a": {"delay": 600}}, start_seconds=1)
    assert server.end() == 1
    assert re.search(
        r"controller was not ready after 1 s \(last stage: (spawned|imported)\); "
        "allow more with --start-timeout-seconds",
        server.err,
    )
    assert server.left_nothing()


def test_child_that_reads_no_instructions(start: Callable[..., Server]) -> None:
    """A child that ends before it reads its instructions is reported like any other."""
    server = start({"controller": {"code": "raise SystemExit(7)"}, "a": {}})
    assert server.end() == 1
    assert "controller ended while starting (exit code 7)" in server.err
    assert server.left_nothing()


def test_signal_during_start(start: Callable[..., Server]) -> None:
    """A signal before all are ready stops at once; the code is 128 + the signal."""
    server = start({"controller": {}, "a": {"delay": 600, "grandchild": 1}})
    server.until(lambda: len(server.pids()) == 3)
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 128 + signal.SIGTERM
    assert server.left_nothing()


def test_second_signal_stops_at_once(start: Callable[..., Server]) -> None:
    """A second signal kills every process, also those that children started in sessions of their own,
    and removes what they shared in memory."""
    shared = Path(f"/dev/shm/torch_sluice_test_{os.getpid()}")
    children = {"controller": {"stubborn": 1}, "a": {"stubborn": 1, "grandchild": 1, "shares": str(shared)}}
    server = start(children)
    server.until_ready()
    assert shared.exists()
    server.process.send_signal(signal.SIGINT)
    server.until(lambda: "controller" in server.times("term"))
    assert len(server.alive()) == 3
    server.process.send_signal(signal.SIGINT)
    assert server.end() == 128 + signal.SIGINT
    assert server.left_nothing()
    assert not shared.exists()


def test_stubborn_children_are_killed(start: Callable[..., Server]) -> None:
    """Children that ignore SIGTERM are killed when their time is over, and the exit code tells."""
    children = {"controller": {}, "a": {"stubborn": 1, "grandchild": 1}}
    server = start(children, end_seconds=0.5)
    server.until_ready()
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 1
    assert "a did not end in time and had to be killed" in server.err
    assert "controller" in server.times("end")
    assert server.left_nothing()


def test_children_of_a_killed_launcher_notice(start: Callable[..., Server]) -> None:
    """When the launcher is killed, standard input of its children closes."""
    server = start({"controller": {}, "a": {}})
    server.until_ready()
    server.process.kill()
    server.until(lambda: len(server.times("orphaned")) == 2)
    server.until(lambda: not server.alive())


def test_a_worker_that_never_starts_again_ends_the_server(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    """Without any runtime the server stops.  What a dead worker leaves running is ended."""
    plan = {"dies_later": 9, "helper": 1, "born": str(tmp_path / "born")}
    server = start({"controller": {}, "a": plan}, {"hopeless_starts": 2})
    assert server.end() == 1
    assert len(server.pids("a")) == 2 * 3
    assert server.err.count("a died (exit code 9) and is started again in") == 3
    assert "every runtime failed in 2 starts in a row, so the server stops" in server.err
    assert server.left_nothing()


def test_server_lives_while_one_runtime_does(start: Callable[..., Server], tmp_path: Path) -> None:
    """A runtime that dies at every start doesn't end the server, and the drain afterwards is clean."""
    dying = {"dies_later": 9, "born": str(tmp_path / "born")}
    server = start(
        {"controller": {}, "a": dying, "b": {}}, {"hopeless_starts": 2, "worker_longest_seconds": 0.1}
    )
    server.until_ready()
    server.until(lambda: server.err.count("a died (exit code 9) and is started again in 0.1 s") >= 4)
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0, server.err
    assert "b" in server.times("end")
    assert server.left_nothing()


def test_a_controller_that_never_starts_again_ends_the_server(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    """The workers outlive a controller that dies; too many starts in vain end the server."""
    plan = {"dies_later": 4, "born": str(tmp_path / "born")}
    server = start({"controller": plan, "a": {}, "b": {"stubborn": 1}}, {"hopeless_starts": 2})
    assert server.end() == 1
    assert len(server.pids("controller")) == 3
    assert [len(server.pids(name)) for name in "ab"] == [1, 1]
    assert "controller died (exit code 4) and is started again in 0.1 s\n    words of contr" in server.err
    assert "controller died (exit code 4) and is started again in 0.2 s" in server.err
    assert "controller failed in 2 starts in a row, so the server stops" in server.err
    assert server.left_nothing()


def test_a_controller_may_die_any_number_of_times(start: Callable[..., Server]) -> None:
    """As long as it is ready in between."""
    server = start({"controller": {"dies_later": 4}, "a": {}}, {"controller_longest_seconds": 0.1})
    server.until(lambda: len(server.pids("controller")) >= 6)
    assert server.process.poll() is None
    assert len(server.pids("a")) == 1
    server.process.send_signal(signal.SIGTERM)
    server.end()
    assert server.left_nothing()


@pytest.mark.parametrize("who", ["controller", "a"])
def test_a_stopped_child_is_killed_and_started_again(start: Callable[..., Server], who: str) -> None:
    """It has shown signs of life before; what has never shown any isn't missed."""
    children = {name: {"lives": int(name == who)} for name in ("controller", "a")}
    server = start(children, kill_seconds=1.0, look_seconds=0.1)
    server.until(lambda: f"{who} has shown no sign of life for 1 s: killed" in server.err)
    server.until(lambda: len(server.pids(who)) == 2)
    assert f"{who} died (SIGKILL) and is started again" in server.err
    server.process.send_signal(signal.SIGTERM)
    server.end()
    assert server.left_nothing()


def test_what_a_child_says_for_the_user_is_shown(start: Callable[..., Server]) -> None:
    """Whatever the level of the log."""
    server = start({"controller": {"notices": "runtime a was lost"}, "a": {}})
    server.until_ready()  # before, a signal is no clean end
    server.until(lambda: "sluice: runtime a was lost\n" in server.err)
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0, server.err


def test_the_controller_is_told_of_a_dead_worker(start: Callable[..., Server]) -> None:
    """It reads the process id of the worker that died."""
    server = start({"controller": {}, "a": {}, "b": {}})
    server.until_ready()
    (pid,) = server.pids("a")
    os.kill(pid, signal.SIGKILL)
    server.until(lambda: any(event.startswith("told ") for _, _, event in server.journal()))
    (told,) = (event for _, name, event in server.journal() if event.startswith("told "))
    ended = json.loads(told.removeprefix("told "))["ended"]
    assert ended == {
        "pid": pid,
        "runtime": "a",
        "how": "SIGKILL",
        "failed_starts": 0,
        "restart_seconds": 0.05,
    }
    server.until(lambda: len(server.pids("a")) == 2)


def test_a_drain_while_the_controller_is_down(start: Callable[..., Server]) -> None:
    """A signal while the controller is being started again ends the server cleanly."""
    server = start({"controller": {}, "a": {}}, {"controller_backoff_seconds": 600.0})
    server.until_ready()
    os.kill(server.pids("controller")[0], signal.SIGKILL)
    server.until(lambda: "controller died (SIGKILL) and is started again in 600 s" in server.err)
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0, server.err
    assert "end" in {event for _, name, event in server.journal() if name == "a"}
    assert server.left_nothing()


def test_logs_are_shown_on_request(start: Callable[..., Server]) -> None:
    """With logs shown, each line of a child is printed behind its name."""
    server = start({"controller": {}, "a": {}}, logs=True)
    server.until_ready()
    server.until(lambda: "[a] words of a" in server.out)
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0


def test_live_table_then_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the stages of a process share a row; after the table, lines are printed."""
    screen = io.StringIO()
    progress = LiveProgress(Console(file=screen, force_terminal=True, width=100))
    progress.say("a warning")
    progress.stage("runtime cpu-0", ChildStage("spawned"))
    progress.stage("runtime cpu-0", ChildStage("loaded", 21.34))
    progress.say("Sluice is ready")
    progress.stage("runtime cpu-0", ChildStage("ready", 30))
    assert "21.3" in screen.getvalue()
    assert capsys.readouterr().out == "a warning\nSluice is ready\nruntime cpu-0: ready (30.0 s)\n"


def test_problems_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Problems name the program and keep standard output clean."""
    Progress().problem("something broke")
    assert capsys.readouterr() == ("", "sluice: something broke\n")
