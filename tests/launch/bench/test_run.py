"""``launch.bench run`` from its command line, against a real controller before null runtimes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from launch.bench.bench_cli import main
from launch.bench.cost.null_runtimes import OUTPUT_TOKENS
from launch.bench.replay.endpoint import Endpoint
from launch.bench.replay.player import Patience
from launch.bench.run import lone_stages
from launch.bench.stand import HOST, NullStand
from sched.traces.trace_format import read_trace, write_trace
from tests.launch.bench.null_place import standing
from tests.launch.bench.replay.replay_fakes import call, workflow
from tests.waiting import GUARD_SECONDS


@pytest.fixture(scope="module")
def place() -> Iterator[NullStand]:
    with standing() as running:
        yield running


def _trace(path: Path) -> Path:
    calls = (
        call(0, output=OUTPUT_TOKENS),
        call(1, 0, stage="draft", output=OUTPUT_TOKENS, join="j"),
        call(2, 0, stage="draft", output=OUTPUT_TOKENS, join="j", branch=1),
        call(3, 1, 2, output=OUTPUT_TOKENS),
    )
    write_trace(path, "made for a test", [workflow(str(n), *calls, database="shop") for n in range(3)])
    return path


async def test_a_trace_runs_through_the_controller(
    place: NullStand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every workflow is run as one by the server; the figures are printed and written, calls included."""
    url, file = f"http://{HOST}:{place.port}", tmp_path / "run.json"
    trace = _trace(tmp_path / "trace.jsonl")
    stages = tmp_path / "stages.json"
    stages.write_text('{"step": 1.0, "draft": 2.0}')
    flags = ["--rate", "40", "--workflows", "10", "--stage-seconds", str(stages), "--json", str(file)]
    assert await asyncio.to_thread(main, ["run", str(trace), "--url", url, *flags]) == 0
    report = json.loads(file.read_text())
    assert report["figures"]["errors"] == {}
    assert [len(w["calls"]) for w in report["workflows"]] == [4] * 10
    assert {w["base_seconds"] for w in report["workflows"]} == {4.0}
    assert report["figures"]["stages"]["draft"]["calls"] == 18
    async with httpx.AsyncClient(trust_env=False, timeout=GUARD_SECONDS) as client:
        known = (await client.get(f"{url}/v1/workflows")).json()["workflows"]
    ours = [(w["state"], w["calls"], w["database"]) for w in known if w["kind"] == "external"]
    assert ours == [("finished", 4, "shop")] * 10
    shown = capsys.readouterr().out
    assert "made for a test" in shown
    assert "errors: none" in shown


async def test_expected_times_are_measured_with_lone_calls(place: NullStand, tmp_path: Path) -> None:
    """Without a file of them each stage's calls are timed, one at a time."""
    endpoint = Endpoint(f"http://{HOST}:{place.port}", "sluice")
    try:
        stages = await lone_stages(read_trace(_trace(tmp_path / "t")), endpoint, Patience())
    finally:
        await endpoint.close()
    assert set(stages) == {"step", "draft"}
    assert all(seconds > 0 for seconds in stages.values())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rate", "0"], "--rate must be above 0"),
        (["--rate", "1", "--url", "localhost"], "--url must begin with http"),
        (["--rate", "1", "--arrivals", "daily"], "unknown process 'daily'"),
        (["--rate", "1", "--token-scale", "-1"], "--token-scale must be above 0"),
        (["--rate", "1", "--header", "x"], "write NAME: VALUE"),
        (["--rate", "1", "--stage-seconds", "missing.json"], "--stage-seconds missing.json"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the flag."""
    trace = _trace(tmp_path / "trace.jsonl")
    assert main(["run", str(trace), "--url", f"http://{HOST}:1", *flags]) == 2
    assert said in capsys.readouterr().err
