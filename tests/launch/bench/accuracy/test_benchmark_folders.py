"""Benchmarks are read from their folders as published; what is missing is named."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from launch.bench.accuracy.bench_servers import server_config
from launch.bench.accuracy.benchmarks.benchmark import Benchmark
from launch.bench.accuracy.benchmarks.bird import read_bird, write_bird_predictions
from launch.bench.accuracy.benchmarks.spider import in_one_line, read_spider, write_sql_lines
from launch.bench.accuracy.benchmarks.spider2 import read_spider2, write_sql_files
from launch.server.sources import read_config
from plugins.text2sql.databases.descriptions import read_descriptions
from sched.errors import ConfigError
from tests.launch.bench.accuracy.benchmark_folders import (
    QUESTIONS,
    bird_folder,
    spider2_folder,
    spider_folder,
)

ANSWERS = {"1": "SELECT name -- all\nFROM cakes", "2": "SELECT 'a\tb'"}


def read(path: Path) -> Benchmark:
    return read_bird(path, 0)


def test_bird_is_read_with_evidence_difficulty_and_descriptions(tmp_path: Path) -> None:
    """Ids are places, for by them answers are paired."""
    benchmark = read(bird_folder(tmp_path))
    told = [(q.database, q.question, q.gold, q.evidence, q.difficulty) for q in benchmark.questions]
    assert told == list(QUESTIONS)
    assert [question.id for question in benchmark.questions] == list("012345")
    described = benchmark.databases["bakery"].descriptions
    assert described is not None
    assert read_descriptions(described).columns["cakes"]["price"] == "euros for a cake"
    assert benchmark.databases["library"].descriptions is None


def test_json_lines_in_latin1_are_read_too(tmp_path: Path) -> None:
    """Both forms and both encodings are published."""
    benchmark = read(bird_folder(tmp_path, lines=True))
    assert benchmark.questions[0].question == "Combien de gâteaux?"
    assert len(benchmark.questions) == 6


def test_spider_is_read(tmp_path: Path) -> None:
    """The first database of a folder is asked, all of them decide."""
    benchmark = read_spider(spider_folder(tmp_path))
    assert [(q.database, q.question, q.gold) for q in benchmark.questions] == [q[:3] for q in QUESTIONS]
    assert benchmark.databases["bakery"].file.name == "bakery.sqlite"
    first, second, *_ = benchmark.questions
    assert benchmark.judge.judge(first, "SELECT count(id) FROM cakes").right
    assert not benchmark.judge.judge(first, "SELECT 4").right
    assert not benchmark.judge.judge(second, "SELECT 'Battenberg' UNION ALL SELECT 'Parkin'").right


def test_only_spider2s_questions_on_sqlite_with_a_right_result_are_read(tmp_path: Path) -> None:
    """A document is the evidence; what is left out is told."""
    benchmark = read_spider2(spider2_folder(tmp_path))
    assert [question.id for question in benchmark.questions] == [f"local{n:03}" for n in range(6)]
    assert [question.evidence for question in benchmark.questions] == ["", "cheap: < 4", "", "", "", ""]
    assert benchmark.notes == ["1 questions are left out: they have no right result in the folder"]


def test_spider2s_rules_are_those_of_each_question(tmp_path: Path) -> None:
    """Of several results one suffices, each with its own columns; the order counts for one question."""
    benchmark = read_spider2(spider2_folder(tmp_path))
    asked = {question.id: question for question in benchmark.questions}

    def right(name: str, sql: str) -> bool:
        return benchmark.judge.judge(asked[name], sql).right

    assert right("local002", "SELECT name, 1 FROM cakes")
    assert right("local002", "SELECT price FROM cakes")
    assert not right("local002", "SELECT baked FROM cakes")
    assert right("local003", QUESTIONS[3][2])
    assert not right("local003", "SELECT title FROM books")
    assert right("local004", "SELECT DISTINCT book FROM loans ORDER BY 1 DESC")
    assert not right("local004", "SELECT book FROM loans")


def test_a_long_document_is_cut(tmp_path: Path) -> None:
    """A request has no room for more, and the cut is told."""
    folder = spider2_folder(tmp_path)
    (folder / "resource" / "documents" / "cakes.md").write_text("x" * 10_001)
    benchmark = read_spider2(folder)
    assert len(benchmark.questions[1].evidence) == 10_000
    assert "1 documents are cut after 10,000 characters" in benchmark.notes


@pytest.mark.parametrize(
    ("make", "load", "gone", "said"),
    [
        (bird_folder, read, "mini_dev_sqlite.json", "mini_dev_sqlite.jsonl or dev.json"),
        (bird_folder, read, "dev_databases/library/library.sqlite", "dev_databases/library/library.sqlite"),
        (spider_folder, read_spider, "dev.json", "has no dev.json"),
        (spider_folder, read_spider, "database/bakery/bakery.sqlite", "no database/bakery/bakery.sqlite"),
        (spider2_folder, read_spider2, "spider2-lite.jsonl", "has no spider2-lite.jsonl"),
        (spider2_folder, read_spider2, "resource/documents/cakes.md", "no resource/documents/cakes.md"),
        (
            spider2_folder,
            read_spider2,
            "evaluation_suite/gold/spider2lite_eval.jsonl",
            "no evaluation_suite/gold/spider2lite_eval.jsonl",
        ),
    ],
)
def test_a_missing_file_is_named_with_the_layout(
    tmp_path: Path, make: Callable[[Path], Path], load: Callable[[Path], Benchmark], gone: str, said: str
) -> None:
    """Whichever of a benchmark's files it is."""
    (make(tmp_path) / gone).unlink()
    with pytest.raises(ConfigError, match=r"expected is .* layout: ") as refused:
        load(tmp_path)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "has no question"),
        ("[{}", "is neither JSON nor JSON Lines"),
        ('[{"db_id": "a", "question": "?"}]', "entry 1 has no SQL"),
        ("7", "entry 1 has no db_id, question, SQL"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message names the entry and what it lacks."""
    (tmp_path / "dev.json").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read(tmp_path)


def test_conditions_on_columns_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """Rather than judged by other columns."""
    folder = spider2_folder(tmp_path)
    rules = folder / "evaluation_suite" / "gold" / "spider2lite_eval.jsonl"
    rules.write_text(json.dumps({"instance_id": "local000", "condition_cols": [1]}))
    with pytest.raises(ConfigError, match="condition_cols of local000"):
        read_spider2(folder)


# --- official files ---------------------------------------------------------------------------------


def test_birds_file_pairs_answers_by_place(tmp_path: Path) -> None:
    """Every question has its entry, with SQL or without."""
    benchmark = read(bird_folder(tmp_path))
    write_bird_predictions(tmp_path / "out.json", benchmark.questions, ANSWERS)
    told = json.loads((tmp_path / "out.json").read_text())
    assert list(told) == list("012345")
    assert told["1"] == "SELECT name -- all\nFROM cakes\t----- bird -----\tbakery"
    assert told["5"] == "\t----- bird -----\tlibrary"


def test_spiders_file_has_a_line_for_each_question(tmp_path: Path) -> None:
    """None of them is empty."""
    benchmark = read_spider(spider_folder(tmp_path))
    write_sql_lines(tmp_path / "out.sql", benchmark.questions, ANSWERS)
    lines = (tmp_path / "out.sql").read_text().split("\n")
    assert lines == ["SELECT", "SELECT name FROM cakes", "SELECT 'a\tb'", *["SELECT"] * 3, ""]


def test_spider2s_folder_has_a_file_for_each_answer(tmp_path: Path) -> None:
    """Named after the question."""
    benchmark = read_spider2(spider2_folder(tmp_path))
    write_sql_files(tmp_path / "out", benchmark.questions, {"local001": "SELECT 1"})
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["local001.sql"]
    assert (tmp_path / "out" / "local001.sql").read_text() == "SELECT 1\n"


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELECT a,\n\tb /* c\n */ FROM t -- d", "SELECT a, b FROM t"),
        ("SELECT '--'", "SELECT '--'"),
        ("SELECT 'unclosed\n", "SELECT 'unclosed"),
        ("", ""),
    ],
)
def test_sql_is_put_in_one_line(sql: str, line: str) -> None:
    """Comments would swallow what follows; dashes in a text are no comment."""
    assert in_one_line(sql) == line


# --- servers ----------------------------------------------------------------------------------------


def test_a_servers_configuration_has_databases_and_descriptions(tmp_path: Path) -> None:
    """Beside the settings of another file, and as the server reads it."""
    benchmark = read(bird_folder(tmp_path))
    base = tmp_path / "base.toml"
    base.write_text("candidates = 5\n[database_options.\"library\"]\nexclude = ['loans']\n")
    (tmp_path / "server.toml").write_text(server_config(benchmark.databases, base))
    config = read_config(str(tmp_path / "server.toml"))
    assert config.candidates == 5
    assert config.databases == {name: str(d.file) for name, d in benchmark.databases.items()}
    assert config.database_options["bakery"].descriptions == str(benchmark.databases["bakery"].descriptions)
    assert config.database_options["library"].exclude == ("loans",)
    assert tomllib.loads(server_config(benchmark.databases))["databases"].keys() == {"bakery", "library"}
    with pytest.raises(ConfigError, match=r"--config .* can't be read"):
        server_config(benchmark.databases, tmp_path / "gone.toml")
