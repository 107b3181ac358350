"""The command that injects faults, on simulated runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launch.bench.bench_cli import main
from launch.bench.chaos import chaos_cli
from launch.bench.chaos.fault import Fault
from launch.bench.chaos.process_faults import LauncherKilled, WorkerKilled
from tests.waiting import GUARD_SECONDS


class NeverNoticed(WorkerKilled):
    NOTICED_WITHIN = 0.0

    def noticed(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no limit passes."""
    for limit in ("NOTICED_WITHIN", "RECOVERED_WITHIN"):
        monkeypatch.setattr(Fault, limit, GUARD_SECONDS)


@pytest.mark.slow
def test_killed_processes_cost_no_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker, the controller and the launcher; errors are told by code, and each fault has its line."""
    found = tmp_path / "found.json"
    faults = ("worker-killed", "controller-killed", "launcher-killed")
    assert main(["chaos", "--faults", ",".join(faults), "--json", str(found)]) == 0
    printed = capsys.readouterr().out
    assert "two simulated runtimes" in printed
    assert "3 injections, all green" in printed
    rows = json.loads(found.read_text())["injections"]
    assert tuple(row["fault"] for row in rows) == faults
    for row in rows:
        assert row["verdict"]["asked"] > 0
        assert (row["verdict"]["lost"], row["twice"]) == ([], [])
        assert row["noticed_seconds"] >= 0
        assert row["recovered_seconds"] > 0
    worker, controller, launcher = (row["verdict"]["errors"] for row in rows)
    assert worker == {}, "its calls ran elsewhere"
    assert "no connection" in controller
    assert set(launcher) <= {"503 unavailable", "no connection", "cut off"}


@pytest.mark.slow
def test_repeated_faults_are_summed_up_and_red_ones_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that isn't noticed makes the command fail; a server that has ended is replaced."""
    monkeypatch.setitem(chaos_cli.FAULTS, "worker-killed", NeverNoticed)
    assert LauncherKilled.ENDS_SERVER
    assert main(["chaos", "--faults", "launcher-killed,worker-killed", "--repeat", "2"]) == 1
    printed = capsys.readouterr().out
    assert "4 injections, red: worker-killed, worker-killed" in printed
    assert "recovered P50" in printed


def test_an_unknown_fault_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that are known."""
    assert main(["chaos", "--faults", "worker-killed,flood"]) == 2
    assert "--faults: unknown: flood; known: statement-crashes," in capsys.readouterr().err


@pytest.mark.slow
def test_a_harmed_network_costs_no_call(tmp_path: Path) -> None:
    """Cut or standing still: calls run elsewhere, none twice, and the worker is back afterwards."""
    found = tmp_path / "found.json"
    assert main(["chaos", "--faults", "link-cut,link-stalled", "--json", str(found)]) == 0
    for row in json.loads(found.read_text())["injections"]:
        assert (row["verdict"]["lost"], row["twice"], row["verdict"]["errors"]) == ([], [], {})
