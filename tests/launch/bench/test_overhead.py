"""``launch.bench overhead``: its accounting, on a tiny measurement; no speed is asserted."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from launch.bench.bench_cli import main
from launch.bench.cost.controller_cost import spread
from launch.bench.cost.probe_load import BenchError, ProbeLoad
from launch.bench.stand import HOST, RUNTIMES, NullStand
from tests.launch.bench.null_place import standing
from tests.waiting import GUARD_SECONDS


@pytest.fixture(scope="module")
def place() -> Iterator[NullStand]:
    with standing() as running:
        yield running


def test_a_measurement_accounts_for_every_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each case has a row whose figures agree with one another, on the screen and in the file."""
    cores = os.sched_getaffinity(0)
    file = tmp_path / "figures.json"
    flags = ["--prompt-tokens", "64,96", "--waiting", "0,20", "--calls", "10", "--clients", "2"]
    begun = time.monotonic()
    assert main(["overhead", *flags, "--seconds", "0.2", "--json", str(file)]) == 0
    took = time.monotonic() - begun
    report = json.loads(file.read_text())
    rows = report["rows"]
    assert report["runtimes"] == "null (no model)"
    cases = [(row["prompt_tokens"], row["waiting_calls"]) for row in rows]
    assert cases == [(64, 0), (64, 20), (96, 0), (96, 20)]
    for row in rows:
        assert row["calls"] > 10
        # All but the ten calls that were sent one by one came from the two clients, in the time they had.
        assert 0.2 <= (row["calls"] - 10) / row["calls_per_second"] < took
        used = row["cpu_ms_per_call"] * row["calls_per_second"] / 1e3
        assert used == pytest.approx(row["cpu_share"])
        parts = ("dispatch_ms", "answer_ms", "overhead_ms", "client_ms")
        assert all(0 < row[part]["p50"] <= row[part]["p90"] <= row[part]["p99"] for part in parts)
        assert row["dispatch_ms"]["p50"] < row["overhead_ms"]["p50"] < row["client_ms"]["p50"]
    shown = capsys.readouterr().out
    assert all(f"{row['overhead_ms']['p50']:.2f}" in shown for row in rows)
    assert os.sched_getaffinity(0) == cores


async def test_calls_wait_in_the_queue_that_the_measured_ones_pass(place: NullStand) -> None:
    """The wanted number is held while probes on the same runtimes are answered, and then they are gone."""
    with closing(ProbeLoad(HOST, place.port)) as client:
        await client.warm_up(64, RUNTIMES)
        before = await client.finished()
        async with client.waiting(30, RUNTIMES):
            probes = [await client.probe(64) for _ in range(5)]
            workers = [_held(place, name) for name in RUNTIMES]
        assert {probe.runtime for probe in probes} <= set(RUNTIMES)
        assert sum(workers) == 30
        assert all(workers)
        assert sum(_held(place, name) for name in RUNTIMES) == 0
        assert await client.finished() == before + 5


def _held(place: NullStand, runtime: str) -> int:
    page = httpx.get(f"http://{HOST}:{place.port}/metrics", timeout=GUARD_SECONDS, trust_env=False).text
    line = f'sluice_runtime_held_calls{{runtime="{runtime}"}} '
    return int(float(page.split(line, 1)[1].split("\n", 1)[0]))


async def _abort_all_while_waiting(place: NullStand, client: ProbeLoad) -> None:
    async with (
        client.waiting(3, RUNTIMES),
        httpx.AsyncClient(timeout=GUARD_SECONDS, trust_env=False) as other,
    ):
        url = f"http://{HOST}:{place.port}/abort_request"
        aborted = await other.post(url, json={"rid": "", "abort_all": True})
        assert aborted.json()["aborted"] == 5
        await client.warm_up(64, RUNTIMES)


async def test_a_figure_without_its_waiting_calls_is_refused(place: NullStand) -> None:
    """Calls that end before the measurement does make it fail, saying so."""
    with closing(ProbeLoad(HOST, place.port)) as client, pytest.raises(BenchError, match="5 waiting calls"):
        await _abort_all_while_waiting(place, client)


def test_percentiles() -> None:
    """Of 1 to 101, the middle is 51."""
    found = spread([float(number) for number in range(1, 102)])
    assert (found.p50, found.p90, found.p99) == (51.0, 91.0, 100.0)


@pytest.mark.parametrize(
    "flag", ["--prompt-tokens=12", "--waiting=-1", "--calls=1", "--clients=0", "--seconds=0"]
)
def test_numbers_that_measure_nothing_are_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line says which flag is wrong and what it takes."""
    with pytest.raises(SystemExit, match="2"):
        main(["overhead", flag])
    assert flag.split("=")[0] in capsys.readouterr().err
