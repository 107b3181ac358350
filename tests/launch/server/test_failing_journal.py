"""A server whose journal can't be written, with the true launcher and simulated runtimes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.launch.server.test_recovery import QUICK, generate, kill_controller, log, shown
from tests.real.real_server import RealServer, real_server
from tests.waiting import eventually


def said(server: RealServer) -> dict[str, Any] | None:
    """Return what the server's readiness, which must be 200, says of the journal."""
    with server.client() as client:
        answer: dict[str, Any] = client.get("/readiness").raise_for_status().json()
    journal: dict[str, Any] | None = answer.get("journal")
    return journal


def failing(server: RealServer) -> bool:
    """Whether the metrics say that the journal fails."""
    with server.client() as client:
        return "sluice_journal_failing 1.0" in client.get("/metrics").raise_for_status().text


@pytest.mark.parametrize("full", [True, False], ids=["full disk", "vanished folder"])
def test_a_server_without_its_journal_serves_and_survives_its_controller(tmp_path: Path, full: bool) -> None:
    """It says so, where probes, metrics and logs are read, and forgets what it could not write."""
    folder = tmp_path / "journals"
    folder.mkdir()
    journal = "/dev/full" if full else str(folder / "journal")
    with real_server(tmp_path, "--simulated", *QUICK, "--journal", journal) as server:
        if not full:
            shutil.rmtree(folder)
        assert generate(server, "first").status_code == 200
        assert eventually(lambda: failing(server))
        reason = os.strerror(28) if full else f"{journal} has vanished"
        assert said(server) == {"state": "failing", "reason": reason}
        assert shown(server, "first")["state"] == "finished"
        kill_controller(server)
        assert generate(server, "second").status_code == 200
        assert eventually(lambda: failing(server))
        assert shown(server, "second")["state"] == "finished"
        with server.client() as client:
            assert client.get("/v1/workflows/first").status_code == 404
        written = log(server, "controller")
        assert written.count("can't be written") == 2, written  # by each controller
        assert "Traceback" not in written
        if not full:
            folder.mkdir()
            assert eventually(lambda: said(server) is None)
            assert "is written again; 0 ended workflows are missing" in log(server, "controller")
            kill_controller(server)
            assert shown(server, "second")["state"] == "finished"
        assert server.stop() == 0
        assert not server.survivors()
