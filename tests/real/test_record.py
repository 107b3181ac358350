"""``--record``: what a server did becomes a trace that can be simulated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from launch.lab import simulate_cli, trace_cli
from sched.traces.trace_format import read_trace
from tests.launch.server.test_recovery import generate, kill_controller
from tests.real.real_server import RealServer, real_server

ARGUMENTS = ("--simulated", "--candidates", "2", "--max-revisions", "1")
QUICK = ("--", "--decode-tokens-per-second", "2000")


def ask(server: RealServer, question: str) -> None:
    """Ask the demo database a question."""
    with server.client() as client:
        client.post("/v1/text2sql", json={"question": question}).raise_for_status()


def test_a_recording_is_a_trace_that_can_be_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Questions and agents' workflows are in it, those of a second controller too; prompts are not."""
    path = tmp_path / "trace.jsonl"
    with real_server(tmp_path, *ARGUMENTS, "--record", str(path), *QUICK) as server:
        ask(server, "How many customers are there?")
        with ThreadPoolExecutor(2) as pool:
            draft = {"id": "agent", "stage": "draft", "siblings": 2}
            list(pool.map(lambda _: generate(server, "agent", 8, workflow=draft), range(2)))
        generate(server, "agent", 8, workflow={"id": "agent", "stage": "select"})
        kill_controller(server)
        ask(server, "Which products were never sold?")
        assert server.stop() == 0
    assert "customers" not in path.read_text()
    asked, agent, again = read_trace(path)
    stages = {call.stage for call in asked.calls}
    assert {"information_retrieval", "schema_linking", "generate_candidate"} <= stages
    candidates = [call for call in asked.calls if call.stage == "generate_candidate"]
    assert sorted(call.branch for call in candidates) == [0, 1]
    assert len({(call.join, call.after) for call in candidates}) == 1
    linking = next(call for call in asked.calls if call.stage == "schema_linking")
    assert candidates[0].after == (linking.id,)
    assert candidates[0].segments[0].shared == next(
        call.segments[0].shared for call in again.calls if call.stage == "generate_candidate"
    ), "the template of a stage is the same in another workflow"
    assert sorted((call.stage, call.after, call.branch) for call in agent.calls) == [
        ("draft", (), 0),
        ("draft", (), 1),
        ("select", (0, 1), 0),
    ]
    assert (asked.kind, agent.kind, asked.database) == ("text2sql", "external", "shop")
    assert 0 <= asked.arrival < agent.arrival < again.arrival
    assert trace_cli.main(["describe", str(path)]) == 0
    assert "3 workflows" in capsys.readouterr().out
    few = ["--workflows", "10", "--seeds", "1", "--jobs", "1"]
    assert simulate_cli.main([str(path), "--placement", "sluice", *few]) == 0
    assert "recorded by a Sluice server" in capsys.readouterr().out
