"""Spider 1: the development set, alone or in the edition of the test suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlglot import Dialect, TokenError

from launch.bench.accuracy.benchmarks.benchmark import Benchmark, BenchmarkDatabase
from launch.bench.accuracy.benchmarks.benchmark_files import BenchmarkFolder
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.spider_judge import SpiderJudge

_LAYOUT = (
    "Spider's layout: dev.json and database/NAME/NAME.sqlite, beside which the test-suite edition has "
    "further .sqlite files"
)
_NO_SQL = "SELECT"
"""A line may not be empty: the official script takes an empty one for the end of a dialogue."""


def read_spider(path: Path) -> Benchmark:
    """Return the questions of the folder ``path``.

    Raises:
        ConfigError: a file is missing or wrong; names it and the layout.
    """
    folder = BenchmarkFolder("--spider", path, _LAYOUT)
    entries = folder.records(folder.file("dev.json"), ("db_id", "question", "query"))
    questions = [
        BenchmarkQuestion(str(place), str(entry["db_id"]), str(entry["question"]), str(entry["query"]))
        for place, entry in enumerate(entries)
    ]
    files = folder.databases(questions, "database/NAME/NAME.sqlite")
    suites = {name: sorted(file.parent.glob("*.sqlite")) for name, file in files.items()}
    databases = {name: BenchmarkDatabase(file) for name, file in files.items()}
    return Benchmark("Spider", questions, databases, SpiderJudge(suites), write_sql_lines)


def write_sql_lines(path: Path, questions: Sequence[BenchmarkQuestion], sql: Mapping[str, str]) -> None:
    """Write a line for each question with its SQL, which can't run where there is none.

    Raises:
        OSError: it can't be written.
    """
    lines = [in_one_line(sql.get(question.id, "")) or _NO_SQL for question in questions]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def in_one_line(sql: str) -> str:
    """Return ``sql`` in a line, without comments.  A line break inside a text becomes a space."""
    try:
        tokens = Dialect.get_or_raise("sqlite").tokenize(sql)
    except TokenError:  # it doesn't run in any form
        return " ".join(sql.split())
    joined, end = "", -1
    for token in tokens:
        gap = " " if joined and token.start > end + 1 else ""
        joined, end = f"{joined}{gap}{sql[token.start : token.end + 1]}", token.end
    return " ".join(joined.splitlines())
