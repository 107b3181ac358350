"""``python -m launch.simulate`` and ``python -m launch.trace``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from launch.lab import cells, simulate_cli, sweep, trace_cli
from sched.traces.trace_format import read_header, read_trace

ROOT = Path(__file__).parents[3]
TRACE = "traces/hexgen_flow_formula1.jsonl"
SMALL = [TRACE, "--workflows", "12", "--seeds", "1", "--runtime-config", "mixed2048", "--jobs", "1"]


@pytest.fixture(autouse=True)
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where the commands are run."""
    monkeypatch.chdir(ROOT)


def entries(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a JSON result."""
    read: list[dict[str, Any]] = json.loads(path.read_bytes())
    return read


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    """Two processes with different hash seeds write equal files, and another seed another one."""
    written = []
    for name, hash_seed, first in (("a", "1", "2"), ("b", "2", "2"), ("c", "1", "1")):
        out = tmp_path / f"{name}.json"
        command = [sys.executable, "-m", "launch.simulate", *SMALL, "--seeds", first, "--json", str(out)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=280, capture_output=True)
        written.append(out.read_bytes())
    assert written[0] == written[1] != written[2]
    one, two = json.loads(written[0])
    assert one["cell"]["seed"] != two["cell"]["seed"]
    assert one["figures"] != two["figures"]


def test_a_sweep_runs_every_combination(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists multiply; the table names what differs and the source of the trace."""
    out = tmp_path / "out.json"
    argv = [*SMALL, "--placement", "round_robin,least_outstanding", "--load", "0.1,0.3", "--json", str(out)]
    assert simulate_cli.main([*argv, "--cluster", "hetero1", "--cluster", "a100,l40s"]) == 0
    found = {(e["cell"]["cluster"], e["cell"]["placement"], e["cell"]["load"]) for e in entries(out)}
    assert len(found) == len(entries(out)) == 8
    shown = capsys.readouterr().out
    assert read_header(Path(TRACE)).source in shown
    assert "least_outstanding" in shown
    assert "a100,l40s" in shown


def test_work_is_spread_over_processes(tmp_path: Path) -> None:
    """Two processes give the results of one."""
    outs = [tmp_path / "one.json", tmp_path / "two.json"]
    for jobs, out in zip(("1", "2"), outs, strict=True):
        assert simulate_cli.main([*SMALL, "--load", "0.1,0.3", "--jobs", jobs, "--json", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_sweep_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished cells are not run again, a line cut short is; other settings are other cells."""
    ran: list[float | None] = []

    def counted(cell: cells.Cell) -> dict[str, Any]:
        ran.append(cell.load)
        return cells.run_cell(cell)

    monkeypatch.setattr(sweep, "run_cell", counted)
    results, out = tmp_path / "results.jsonl", tmp_path / "out.json"
    argv = [*SMALL, "--results", str(results), "--json", str(out), "--load"]
    assert simulate_cli.main([*argv, "0.1,0.2"]) == 0
    first = out.read_bytes()
    results.write_text(results.read_text()[:-20])
    assert simulate_cli.main([*argv, "0.1,0.2"]) == 0
    assert (ran, out.read_bytes()) == ([0.1, 0.2, 0.2], first)
    assert simulate_cli.main([*argv, "0.1,0.2", "--slo-scale", "3"]) == 0
    assert ran == [0.1, 0.2, 0.2, 0.1, 0.2]
    assert all(line.startswith('{"key":') for line in results.read_text().splitlines())


def test_the_highest_rate_is_found(tmp_path: Path) -> None:
    """95 % meet the SLO at it, and it lies below the work bound."""
    out = tmp_path / "out.json"
    argv = [*SMALL, "--workflows", "40", "--max-rate", "--placement", "least_outstanding", "--json", str(out)]
    assert simulate_cli.main(argv) == 0
    (entry,) = entries(out)
    assert entry["figures"]["attainment"] >= 0.95
    assert 0 < entry["figures"]["rate"] < entry["figures"]["rate_bound"]
    cell = cells.Cell(**{**entry["cell"], "rate": 1.1 * entry["figures"]["rate"]})
    assert cell.run()["attainment"] < 0.95


def test_the_warm_up_does_not_count_in_the_search(tmp_path: Path) -> None:
    """A crowd among the first tenth misses its SLO, and yet every later workflow meets it."""
    calls = [{"id": 0, "stage": "s", "segments": [["question", None, 20_000]], "output": 2}]
    rows: list[dict[str, Any]] = [{"format": "sluice-trace-1", "source": "a test"}]
    rows += [{"id": str(i), "arrival": 500.0 * max(0, i - 9), "calls": calls} for i in range(100)]
    path = tmp_path / "crowd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    figures = cells.Cell(trace=str(path), workflows=100, arrivals="trace", cluster="a6000").run()
    assert figures["attainment"] >= 0.95
    assert figures["load"] > 0.1


def test_an_slo_that_cannot_be_met_ends_the_search() -> None:
    """Where even a lone workflow is too slow, the rate found is next to nothing."""
    cell = cells.Cell(trace=TRACE, workflows=10, slo_scale=0.01, runtime_config="mixed2048")
    assert cell.run()["load"] < 0.002


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--placement", "best"], "--placement: unknown policy 'best'"),
        (["--ordering", "fcfs,worst"], "--ordering: unknown policy 'worst'"),
        (["--cluster", "hetero3"], "--cluster: unknown GPU 'hetero3'"),
        (["--runtime-config", "fast"], "--runtime-config: unknown setting 'fast'"),
        (["--load", "0"], "--load must be above 0"),
        (["--arrivals", "never"], "--arrivals: unknown process 'never'"),
        (["--results", "/proc/none/results"], "--results /proc/none/results can't be written"),
        (["--results", TRACE], "holds something else than results of sweeps"),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence names the flag; the exit code is 2."""
    monkeypatch.setattr(sweep, "run_cell", lambda cell: pytest.fail("something ran"))
    assert simulate_cli.main([*SMALL, *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_wrong_trace_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The trace's line and field reach the user."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"format": "sluice-trace-1", "source": "a test"}\n{"id": "w"}\n')
    assert simulate_cli.main([str(path)]) == 2
    assert f"sluice: {path} line 2: arrival: Field required" in capsys.readouterr().err


def test_plots_are_drawn(tmp_path: Path) -> None:
    """P95 and attainment over the rate end up in an image."""
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    image = tmp_path / "plot.png"
    assert simulate_cli.main([*SMALL, "--load", "0.1,0.3", "--plot", str(image)]) == 0
    assert image.read_bytes().startswith(b"\x89PNG")


def test_a_trace_is_generated_described_and_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands fit together."""
    path = tmp_path / "made.jsonl"
    assert (
        trace_cli.main(["generate", str(path), "--workflows", "30", "--databases", "3", "--variation", "2"])
        == 0
    )
    assert len(read_trace(path)) == 30
    assert trace_cli.main(["describe", str(path), "--cluster", "a100"]) == 0
    shown = capsys.readouterr().out
    assert "generated: Shape(workflows=30, databases=3" in shown
    assert "generate_candidate" in shown
    assert "a100: at most" in shown
    argv = [
        str(path),
        "--workflows",
        "30",
        "--arrivals",
        "trace",
        "--early-ending",
        "--jobs",
        "1",
        "--seeds",
        "1",
    ]
    assert simulate_cli.main(argv) == 0


def test_a_published_file_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The source is written into the trace, the database named after the file."""
    given, made = tmp_path / "books.json", tmp_path / "books.jsonl"
    step = {"step": "revise", "input_length": 4000, "output_length": 9}
    given.write_text(json.dumps([{"Text2SQLRequest": [step]}]))
    assert trace_cli.main(["convert", str(given), str(made), "--source", "a paper"]) == 0
    assert read_header(made).source == "a paper"
    assert read_trace(made)[0].database == "books"
    assert trace_cli.main(["convert", str(given), str(made), "--source", "x", "--rate", "0"]) == 2
    assert "--rate must be above 0" in capsys.readouterr().err
