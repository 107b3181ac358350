"""``launch.bench accuracy`` from its command line, against a real API with a scripted workflow."""

from __future__ import annotations

import asyncio
import itertools
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from launch.bench.accuracy import bench_servers
from launch.bench.accuracy.accuracy_cells import candidate_numbers
from launch.bench.bench_cli import main
from launch.bench.stand import HOST
from tests.launch.bench.accuracy.benchmark_folders import (
    QUESTIONS,
    bird_folder,
    spider2_folder,
    spider_folder,
)
from tests.launch.bench.accuracy.scripted_server import scripted_server

RIGHT: dict[str, str | None] = {asked: sql for _, asked, sql, *_ in QUESTIONS}
SLO = ["--slo-seconds", "600"]
"""A deadline that no test's machine misses."""


async def bench(*flags: str) -> int:
    """Run the command beside the server, which lives on this event loop."""
    return await asyncio.to_thread(main, ["accuracy", *flags])


def cells_in(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return cells


async def test_bird_is_measured_by_load_and_candidates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cell asks all questions with their evidence; scores, costs, files and the plot follow."""
    script = RIGHT | {
        # A set of rows with one wrong value, no SQL, an answer that isn't one: three of six are right.
        "Names and prices?": "SELECT name, 3.0 FROM cakes",
        "Titles, the longest first?": None,
        "How long were loans?": "SELECT max(days) FROM loans",
    }
    folder = bird_folder(tmp_path / "bird")
    async with scripted_server(script) as (url, workflow, _):
        loads = ["--clients", "2", "--rates", "1000", "--candidates", "1,3", "--ves-repeats", "2"]
        files = ["--json", str(tmp_path / "f.json"), "--plot", str(tmp_path / "p.png")]
        predictions = ["--predictions", str(tmp_path / "out.json")]
        assert await bench("--bird", str(folder), "--url", url, *loads, *SLO, *files, *predictions) == 0
    assert len(workflow.asked) == 4 * 6
    assert {(db, evidence) for asked, db, evidence, _ in workflow.asked if "cheap" in asked} == {
        ("bakery", "cheap: < 4")
    }
    assert [sum(n == number for *_, n in workflow.asked) for number in (1, 3)] == [12, 12]
    found = cells_in(tmp_path / "f.json")
    assert [(c["server"], c["candidates"], c["load"]) for c in found] == [
        ("server", candidates, load) for candidates in (1, 3) for load in ("2 clients", "1000/s")
    ]
    for cell in found:
        assert cell["questions"] == 6
        assert cell["execution_accuracy"][0] == 0.5
        assert {name: share[0] for name, share in cell["by_difficulty"].items()} == {
            "simple": 1.0,
            "moderate": 0.0,
            "challenging": 0.5,
        }
        # Three right ones, and 6 of 8 values of the names and prices: of four rows two have both.
        assert cell["soft_f1"] == pytest.approx((3 + 0.75) / 6)
        assert 0 < cell["r_ves"] <= 0.5 * 1.25**0.5 + 1e-9
        assert cell["in_time"] == 1.0
        assert cell["right_in_time_per_second"][0] == pytest.approx(3 / cell["seconds"])
        assert cell["per_question"] == {
            "calls": 1.0,
            "prompt_tokens": pytest.approx(cell["per_question"]["prompt_tokens"]),
            "cached_tokens": 2.0,
            "output_tokens": 3.0,
        }
        assert (cell["errors"], cell["gold_failed"]) == ({}, 0)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    for number, load in itertools.product((1, 3), ("2-clients", "1000-per-second")):
        told = json.loads((tmp_path / f"out-server-{number}-{load}.json").read_text())
        assert told["0"] == "SELECT count(*) FROM cakes\t----- bird -----\tbakery"
        assert told["3"] == "\t----- bird -----\tlibrary"
    shown = capsys.readouterr().out
    assert "50.0 (18.8–81.2)" in shown  # Wilson's interval of 3 in 6
    assert "R-VES depends on the machine" in shown


@pytest.mark.parametrize(
    ("flag", "make", "wrong", "right_share", "official"),
    [
        # Right on the first database alone.
        ("--spider", spider_folder, ("How many cakes are there?", "SELECT 4"), 5 / 6, "out"),
        ("--spider2", spider2_folder, ("Which book was lent?", "SELECT book FROM loans"), 5 / 6, "out"),
    ],
)
async def test_spiders_are_measured(
    tmp_path: Path,
    flag: str,
    make: Callable[[Path], Path],
    wrong: tuple[str, str],
    right_share: float,
    official: str,
) -> None:
    """By their own rules; with one cell the official file has the name given."""
    folder = make(tmp_path / "folder")
    async with scripted_server(RIGHT | {wrong[0]: wrong[1]}) as (url, workflow, _):
        files = ["--json", str(tmp_path / "f.json"), "--predictions", str(tmp_path / official)]
        assert await bench(flag, str(folder), "--url", f"chess={url}", *SLO, *files) == 0
    assert {candidates for *_, candidates in workflow.asked} == {None}
    (cell,) = cells_in(tmp_path / "f.json")
    assert (cell["server"], cell["candidates"], cell["load"]) == ("chess", None, "4 clients")
    assert cell["execution_accuracy"][0] == pytest.approx(right_share)
    assert (cell["by_difficulty"], cell["soft_f1"], cell["r_ves"]) == ({}, None, None)
    out = tmp_path / official
    if flag == "--spider":
        assert out.read_text().splitlines()[:2] == ["SELECT 4", QUESTIONS[1][2]]
    else:
        assert (out / "local004.sql").read_text() == "SELECT book FROM loans\n"


async def test_a_measurement_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers are kept one by one, a line that was cut off is asked again, and failures only with --retry."""
    folder, results = bird_folder(tmp_path / "bird"), tmp_path / "r.jsonl"
    flags = ["--bird", str(folder), "--ves-repeats", "0", "--results", str(results), *SLO]
    flags += ["--json", str(tmp_path / "f.json"), "--clients", "1"]
    script = {asked: sql for asked, sql in RIGHT.items() if asked != "Names and prices?"}
    async with scripted_server(script) as (url, workflow, _):
        assert await bench(*flags, "--url", url, "--limit", "2") == 0
        first = [asked for asked, *_ in workflow.asked]
        assert await bench(*flags, "--url", url) == 0
        assert [asked for asked, *_ in workflow.asked[:2]] == first
        assert sorted(asked for asked, *_ in workflow.asked) == sorted(RIGHT)
        (cell,) = cells_in(tmp_path / "f.json")
        assert cell["execution_accuracy"][0] == pytest.approx(5 / 6)
        assert cell["p95_seconds"] is None
        assert sum(cell["errors"].values()) == 1
        assert "the script has no such question" in capsys.readouterr().out
        with results.open("a") as file:
            file.write('{"answer": {"cell"')
        assert await bench(*flags, "--url", url) == 0
        assert len(workflow.asked) == 6
        workflow.script = RIGHT
        assert await bench(*flags, "--url", url, "--retry") == 0
        assert len(workflow.asked) == 7
    (cell,) = cells_in(tmp_path / "f.json")
    assert (cell["execution_accuracy"][0], cell["errors"]) == (1.0, {})
    # With all answers there no server is needed.
    assert await bench(*flags, "--url", f"http://{HOST}:1") == 0


async def test_results_of_another_measurement_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what is different, or that it is another file."""
    folder, results = str(bird_folder(tmp_path / "bird")), tmp_path / "r.jsonl"
    flags = ["--bird", folder, "--results", str(results), "--ves-repeats", "0"]
    async with scripted_server(RIGHT) as (url, *_):
        assert await bench(*flags, "--url", url) == 0
        assert await bench(*flags, "--url", url, "--seed", "1") == 2
        assert "is of another seed" in capsys.readouterr().err
        results.write_text("{}\n")
        assert await bench(*flags, "--url", url) == 2
        assert "is not a file of this measurement" in capsys.readouterr().err


async def test_missing_databases_are_named_with_their_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked then."""
    folder = bird_folder(tmp_path / "bird")
    async with scripted_server(RIGHT, databases=("bakery",)) as (url, workflow, _):
        assert await bench("--bird", str(folder), "--url", url) == 2
    assert workflow.asked == []
    said = capsys.readouterr().err
    file = folder / "dev_databases" / "library" / "library.sqlite"
    assert f"no database library. Start it with\n  --database library={file}" in said


async def test_a_server_that_never_answers_is_no_end(tmp_path: Path) -> None:
    """The questions count as wrong, with the reason."""
    folder = bird_folder(tmp_path / "bird")
    async with scripted_server(RIGHT) as (url, _, api):
        api.worker.go.clear()
        flags = ["--timeout", "0.2", "--clients", "6", "--json", str(tmp_path / "f.json")]
        assert await bench("--bird", str(folder), "--url", url, *flags) == 0
        api.worker.go.set()
    (cell,) = cells_in(tmp_path / "f.json")
    assert (cell["execution_accuracy"][0], cell["in_time"]) == (0.0, 0.0)
    assert cell["errors"] == {"no answer after 0.2 s": 6}


async def test_servers_are_compared_in_one_table(tmp_path: Path) -> None:
    """Each under its own name, on the same questions."""
    folder = spider_folder(tmp_path / "spider")
    none: dict[str, str | None] = dict.fromkeys(RIGHT, "SELECT 0")
    async with scripted_server(RIGHT) as (good, *_), scripted_server(none) as (bad, *_):
        urls = ["--url", f"good={good}", "--url", f"bad={bad}", "--json", str(tmp_path / "f.json")]
        assert await bench("--spider", str(folder), *urls, "--limit", "4") == 0
    found = cells_in(tmp_path / "f.json")
    assert [(c["server"], c["questions"], c["execution_accuracy"][0]) for c in found] == [
        ("good", 4, 1.0),
        ("bad", 4, 0.0),
    ]


async def test_a_server_is_started_for_each_kind_of_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, with the benchmark's databases and the settings given."""
    started: list[tuple[str, Any]] = []
    urls: dict[str, str] = {}

    @contextmanager
    def server(arguments: Sequence[str], progress: object) -> Iterator[str]:
        _, file, _, kind = arguments
        started.append((f"{kind} begins", tomllib.loads(Path(file).read_text())))
        yield urls[kind]
        started.append((f"{kind} ends", None))

    monkeypatch.setattr(bench_servers, "local_server", server)
    folder, base = spider_folder(tmp_path / "spider"), tmp_path / "base.toml"
    base.write_text("max_rows = 7\n")
    none: dict[str, str | None] = dict.fromkeys(RIGHT, "SELECT 0")
    async with scripted_server(RIGHT) as (good, *_), scripted_server(none) as (bad, *_):
        urls |= {"text2sql": good, "majority": bad}
        flags = ["--workflow", "text2sql,majority", "--config", str(base), "--json", str(tmp_path / "f.json")]
        assert await bench("--spider", str(folder), *flags) == 0
    assert [event for event, _ in started] == [
        f"{kind} {what}" for kind in ("text2sql", "majority") for what in ("begins", "ends")
    ]
    settings = started[0][1]
    assert (settings["max_rows"], sorted(settings["databases"])) == (7, ["bakery", "library"])
    shares = {cell["server"]: cell["execution_accuracy"][0] for cell in cells_in(tmp_path / "f.json")}
    assert shares == {"text2sql": 1.0, "majority": 0.0}


async def test_the_demos_sets_are_a_benchmark(tmp_path: Path) -> None:
    """Their sets stand where others have difficulties."""
    free = tmp_path / "free.jsonl"
    asked = {"question": "How many shops?", "sql": "SELECT 1"}
    free.write_text(json.dumps(asked) + "\n")
    async with scripted_server({"How many shops?": "SELECT 1"}, databases=("shop",)) as (url, *_):
        flags = ["--demo", "--count", "2", "--free", str(free), "--url", url]
        assert await bench(*flags, "--json", str(tmp_path / "f.json")) == 0
    (cell,) = cells_in(tmp_path / "f.json")
    shares = {name: share[0] for name, share in cell["by_difficulty"].items()}
    assert shares == {"combinations": 0.0, "free": 1.0, "values": 0.0}


def test_a_servers_settings_are_written_without_asking(tmp_path: Path) -> None:
    """For a server that is started elsewhere."""
    folder, file = bird_folder(tmp_path / "bird"), tmp_path / "server.toml"
    assert main(["accuracy", "--bird", str(folder), "--server-config", str(file)]) == 0
    assert "[database_options.bakery]" in file.read_text()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--candidates", "0"], "give numbers from 1 to 8"),
        (["--candidates", "1-9"], "give numbers from 1 to 8"),
        (["--candidates", "few"], "give numbers such as 1,3,5 or 1-8"),
        (["--url", "localhost"], "give [NAME=]URL"),
        (["--clients", "0"], "give a number from 1 on"),
        (["--rates", "0"], "must be above 0"),
        (["--ves-repeats", "-1"], "--ves-repeats must be 0 or more"),
        (["--url", "http://a", "--url", "http://b"], "give each server another name"),
        (["--json", "/nowhere/f.json"], None),
    ],
)
def test_wrong_flags_are_refused(
    flags: list[str], said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what to give."""
    folder = bird_folder(tmp_path / "bird")
    try:
        code: Any = main(["accuracy", "--bird", str(folder), "--url", f"x=http://{HOST}:1", *flags])
    except SystemExit as refused:
        code = refused.code
    if said is None:
        assert code == 1
        assert "does not answer as Sluice does" in capsys.readouterr().err
    else:
        assert code == 2
        assert said in capsys.readouterr().err


def test_numbers_of_candidates_are_a_list_with_ranges() -> None:
    """Each once, in their order."""
    assert candidate_numbers("1,3-5,4,8") == (1, 3, 4, 5, 8)
