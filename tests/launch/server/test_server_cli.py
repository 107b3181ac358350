"""``python -m launch.server`` as a user meets it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from launch.checks import free_port
from launch.server import server_cli
from launch.server.server_cli import main
from plugins.text2sql.databases.database_registry import CONCURRENCY
from tests.launch.server.simulated_server import COMMAND, ROOT, SimulatedServer, simulated_server
from tests.launch.server.stand_in import alive
from tests.waiting import GUARD_SECONDS


@pytest.mark.parametrize(
    ("command", "title"),
    [
        (["python", "--database", "d=pg://u:secret@h/db"], ["python --database d=pg…h/db"]),
        (["python", "--port", "30000"], []),
    ],
)
def test_the_process_list_shows_no_password(
    command: list[str], title: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command without one keeps its title."""
    titles: list[str] = []
    monkeypatch.setattr(server_cli, "setproctitle", titles.append)
    server_cli.hide_passwords(command)
    assert titles == title


def run(
    arguments: Sequence[str], cwd: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end on what looks like a machine without GPU."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Check that the configuration was refused with one sentence, and return it."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("sluice: ")
    return sentence


Run = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command as ``run`` does, but in this process: where it ends soon, most of it is its start."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return lambda arguments: subprocess.CompletedProcess(
        list(arguments), main(arguments), *capsys.readouterr()
    )


@pytest.fixture
def simulated() -> Iterator[SimulatedServer]:
    with simulated_server() as server:
        yield server


def test_print_config_starts_nothing(tmp_path: Path) -> None:
    """--print-config prints the resolved configuration as TOML, builds nothing and ends."""
    done = run(
        ["--print-config", "--", "--chunked-prefill-size", "512"],
        environment={"XDG_CACHE_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    printed = tomllib.loads(done.stdout)
    assert printed["port"] == 30000
    assert [runtime["args"] for runtime in printed["runtime"]] == [{"chunked_prefill_size": 512}] * len(
        printed["runtime"]
    )
    assert list(tmp_path.iterdir()) == []


def test_print_config_shows_no_password(run_here: Run) -> None:
    """The name of a variable stays."""
    plain, named = "a=postgresql://u:s3cret@h/d", "b=postgresql://u:${PATH}@h/d"
    done = run_here(["--print-config", "--database", plain, "--database", named])
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert tomllib.loads(done.stdout)["databases"] == {
        "a": "postgresql://u:***@h/d",
        "b": "postgresql://u:${PATH}@h/d",
    }


def test_print_config_is_a_config_file(tmp_path: Path, run_here: Run) -> None:
    """What --print-config printed can be given back with --config."""
    first = run_here(["--print-config", "--port", "31234"])
    assert first.returncode == 0
    (tmp_path / "printed.toml").write_text(first.stdout)
    assert run_here(["--print-config", "--config", str(tmp_path / "printed.toml")]).stdout == first.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prot", "1"], "did you mean --port?"),
        (["--model-path", "/nowhere"], "--model-path: /nowhere is not a folder"),
        (["--gpus", "0"], "--gpus: no GPU is visible"),
        (["--placement", "nearest"], "choose one of round_robin, random, power_of_two"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 can't be listened on"),
    ],
)
def test_mistakes(arguments: list[str], message: str, run_here: Run) -> None:
    """A mistake is one sentence on standard error and exit code 2."""
    assert message in refused(run_here(arguments))


def test_port_in_use(run_here: Run) -> None:
    """A port in use is refused before anything starts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is in use: choose another with --port" in refused(
            run_here(["--port", f"{port}"])
        )


def test_elsewhere_than_the_checkout(tmp_path: Path) -> None:
    """Started from another folder it says where to go."""
    sentence = refused(run([], cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)}))
    assert f"cd {ROOT} and start it again" in sentence


def test_cache_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """If the embedded model can't be made, the folder and the remedy are named."""
    (tmp_path / "file").touch()
    sentence = refused(
        run(["--port", str(free_port())], environment={"XDG_CACHE_HOME": str(tmp_path / "file")})
    )
    assert "could not be made" in sentence
    assert "XDG_CACHE_HOME" in sentence


def test_users_policy_is_found_in_the_current_folder(tmp_path: Path) -> None:
    """module:attribute is looked up on PYTHONPATH as well; what is no policy is refused."""
    (tmp_path / "my_module.py").write_text(
        "class Mine:\n    name = 'mine'\n    def place(self, call, runtimes, now): ...\nclass Other: ...\n"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    assert run(["--print-config", "--placement", "my_module:Mine"], environment=environment).returncode == 0
    sentence = refused(run(["--placement", "my_module:Other"], environment=environment))
    assert "'my_module:Other' is no placement policy" in sentence


def test_the_launcher_stays_light() -> None:
    """Neither torch nor SGLang nor ZMQ is imported by the launcher."""
    code = "import sys, launch.server.server_cli; print({'torch', 'sglang', 'zmq'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=GUARD_SECONDS
    )
    assert done.stdout == "set()\n", done.stderr


def test_simulated_server_serves_restarts_and_drains(simulated: SimulatedServer) -> None:
    """Stand-ins are labelled; a killed worker is replaced; SIGTERM ends all with code 0 and nothing left."""
    first, second = simulated.workers()
    assert [first["simulated"], second["simulated"]] == [True, True]
    os.kill(first["pid"], signal.SIGKILL)
    simulated.until(lambda: first["pid"] not in simulated.ready_pids() and len(simulated.ready_pids()) == 2)
    pids = [process.pid for process in psutil.Process(simulated.process.pid).children(recursive=True)]
    simulated.process.send_signal(signal.SIGTERM)
    out, err = simulated.process.communicate(timeout=GUARD_SECONDS)
    assert simulated.process.returncode == 0, err
    assert "2 simulated runtimes, placement sluice, ordering adaptive" in out
    assert "runtime sim-0 died (SIGKILL) and is started again in 1 s" in err
    assert len(pids) == 3 + CONCURRENCY, "the controller, two workers, and what runs statements"
    assert not any(alive(pid) for pid in pids)
    assert list(simulated.temporary.iterdir()) == []


def test_outside_the_checkout_the_command_says_where_to_go(tmp_path: Path) -> None:
    """From any other folder ``python -m launch.server`` fails with one sentence and no traceback."""
    done = run(["--help"], cwd=tmp_path, environment={"PYTHONPATH": ""})
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "sluice: run this from Sluice's checkout: change to the folder that holds its pyproject.toml"
    ]
