"""BIRD: the development set and the mini-dev set, in SQLite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from launch.bench.accuracy.benchmarks.benchmark import Benchmark, BenchmarkDatabase
from launch.bench.accuracy.benchmarks.benchmark_files import EVIDENCE_CHARACTERS, BenchmarkFolder
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.bird_judge import BirdJudge

_LAYOUT = (
    "BIRD's layout: mini_dev_sqlite.json, mini_dev_sqlite.jsonl or dev.json, and "
    "dev_databases/NAME/NAME.sqlite, which may have database_description/*.csv beside it"
)
_QUESTIONS = ("mini_dev_sqlite.json", "mini_dev_sqlite.jsonl", "dev.json")
_MARK = "\t----- bird -----\t"


def read_bird(path: Path, repeats: int) -> Benchmark:
    """Return the questions of the folder ``path``; ``repeats``: how often R-VES times statements.

    Raises:
        ConfigError: a file is missing or wrong; names it and the layout.
    """
    folder = BenchmarkFolder("--bird", path, _LAYOUT)
    entries = folder.records(folder.file(*_QUESTIONS), ("db_id", "question", "SQL"))
    questions = [
        BenchmarkQuestion(
            id=str(place),
            database=str(entry["db_id"]),
            question=str(entry["question"]),
            gold=str(entry["SQL"]),
            evidence=str(entry.get("evidence") or "").strip()[:EVIDENCE_CHARACTERS],
            difficulty=str(entry.get("difficulty") or ""),
        )
        for place, entry in enumerate(entries)
    ]
    files = folder.databases(questions, "dev_databases/NAME/NAME.sqlite")
    databases = {name: _database(file) for name, file in files.items()}
    judge = BirdJudge(files, repeats)
    return Benchmark("BIRD", questions, databases, judge, write_bird_predictions)


def write_bird_predictions(
    path: Path, questions: Sequence[BenchmarkQuestion], sql: Mapping[str, str]
) -> None:
    """Write one JSON object: by the question's place its SQL, empty without one, and its database.

    Raises:
        OSError: it can't be written.
    """
    told = {question.id: f"{sql.get(question.id, '')}{_MARK}{question.database}" for question in questions}
    path.write_text(json.dumps(told, indent=4, ensure_ascii=False) + "\n", "utf-8")


def _database(file: Path) -> BenchmarkDatabase:
    descriptions = file.parent / "database_description"
    return BenchmarkDatabase(file, descriptions if any(descriptions.glob("*.csv")) else None)
