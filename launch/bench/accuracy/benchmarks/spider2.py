"""Spider 2-lite: its questions on SQLite databases, those whose id begins with ``local``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.bench.accuracy.benchmarks.benchmark import Benchmark, BenchmarkDatabase
from launch.bench.accuracy.benchmarks.benchmark_files import EVIDENCE_CHARACTERS, BenchmarkFolder
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.spider2_judge import (
    RightResult,
    RightResults,
    Spider2Judge,
    read_columns,
)

_LAYOUT = (
    "Spider 2-lite's layout: spider2-lite.jsonl, resource/databases/spider2-localdb/NAME.sqlite, "
    "resource/documents/*.md, evaluation_suite/gold/spider2lite_eval.jsonl and "
    "evaluation_suite/gold/exec_result/*.csv"
)
_GOLD = "evaluation_suite/gold"


def read_spider2(path: Path) -> Benchmark:
    """Return the questions of the folder ``path`` on SQLite databases for which there are right results.

    Raises:
        ConfigError: a file is missing or wrong; names it and the layout.
    """
    folder = BenchmarkFolder("--spider2", path, _LAYOUT)
    listing = folder.file("spider2-lite.jsonl")
    entries = folder.records(listing, ("instance_id", "db", "question"))
    local = [entry for entry in entries if str(entry["instance_id"]).startswith("local")]
    rules = folder.file(f"{_GOLD}/spider2lite_eval.jsonl")
    told = {str(entry["instance_id"]): entry for entry in folder.records(rules, ("instance_id",))}
    right = {name: found for name in map(_id, local) if (found := _right(folder, told.get(name, {}), name))}
    documents = {_id(entry): _document(folder, entry) for entry in local}
    questions = [
        BenchmarkQuestion(
            id=_id(entry),
            database=str(entry["db"]),
            question=str(entry["question"]),
            evidence=documents[_id(entry)][:EVIDENCE_CHARACTERS],
        )
        for entry in local
        if _id(entry) in right
    ]
    if not questions:
        raise folder.error(f"{listing} names no question local… with a result in {_GOLD}/exec_result")
    files = folder.databases(questions, "resource/databases/spider2-localdb/NAME.sqlite")
    databases = {name: BenchmarkDatabase(file) for name, file in files.items()}
    long = sum(len(documents[question.id]) > EVIDENCE_CHARACTERS for question in questions)
    return Benchmark(
        "Spider 2-lite (SQLite)",
        questions,
        databases,
        Spider2Judge(files, right),
        write_sql_files,
        _notes(len(local) - len(questions), long),
    )


def write_sql_files(path: Path, questions: Sequence[BenchmarkQuestion], sql: Mapping[str, str]) -> None:
    """Write a file ``<id>.sql`` into the folder ``path`` for each question that has SQL.

    Raises:
        OSError: it can't be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    for question in questions:
        if question.id in sql:
            (path / f"{question.id}.sql").write_text(sql[question.id] + "\n", "utf-8")


def _notes(without_result: int, long: int) -> list[str]:
    found = []
    if without_result:
        found.append(f"{without_result} questions are left out: they have no right result in the folder")
    if long:
        found.append(f"{long} documents are cut after {EVIDENCE_CHARACTERS:,} characters")
    return found


def _id(entry: Mapping[str, Any]) -> str:
    return str(entry["instance_id"])


def _document(folder: BenchmarkFolder, entry: Mapping[str, Any]) -> str:
    name = entry.get("external_knowledge")
    return folder.text(folder.file(f"resource/documents/{name}")).strip() if name else ""


def _right(folder: BenchmarkFolder, told: Mapping[str, Any], name: str) -> RightResults | None:
    """Return the right results of question ``name``, by the rules ``told`` of it; ``None`` without any."""
    pattern = re.compile(rf"{re.escape(name)}(_[a-z])?\.csv")
    found = (folder.path / _GOLD / "exec_result").glob(f"{name}*.csv")
    results = [read_columns(folder.text(file)) for file in sorted(found) if pattern.fullmatch(file.name)]
    if not results:
        return None
    places = _condition_columns(told.get("condition_cols"), len(results))
    for columns, counting in zip(results, places, strict=True):
        if any(not -len(columns) <= place < len(columns) for place in counting):
            raise folder.error(f"spider2lite_eval.jsonl: condition_cols of {name} are not in its results")
    right = [RightResult(*pair) for pair in zip(results, places, strict=True)]
    return RightResults(right, bool(told.get("ignore_order")))


def _condition_columns(told: Any, results: int) -> list[list[int]]:
    """Return the places for each of the results: a place or a list for all of them, or a list for each."""
    if not isinstance(told, list):
        told = [] if told is None else [told]
    if all(isinstance(place, int) for place in told):
        return [list(told)] * results
    lists = [list(places or []) for places in told]
    return [*lists, *([[]] * (results - len(lists)))][:results]
