"""The demo's own sets of questions, on the demo database: each set stands for a difficulty."""

from __future__ import annotations

from pathlib import Path

from launch.bench.accuracy.benchmarks.benchmark import Benchmark, BenchmarkDatabase
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.benchmarks.spider import write_sql_lines
from launch.bench.accuracy.scoring.demo_judge import DemoJudge
from launch.demo_assets import DEMO_DATABASE, build_demo_database, demo_database
from plugins.text2sql.demo.training import exam
from plugins.text2sql.demo.training.language.world import demo_world

FREE_QUESTIONS = Path(__file__).parents[4] / "tests/plugins/text2sql/demo/free_questions.jsonl"
"""Questions phrased by somebody who didn't know the generator."""


def read_demo(count: int, free: Path) -> Benchmark:
    """Return ``count`` questions of each generated set, and those of the file ``free``.

    Raises:
        ConfigError: the file can't be read, or the database not be made.
    """
    build_demo_database()
    with demo_world() as world:
        sets = {
            "combinations": exam.combinations(world, count),
            "values": exam.unseen_values(world, count),
            "free": exam.read_questions(free),
        }
    questions = [
        BenchmarkQuestion(f"{name}-{place}", DEMO_DATABASE, asked.question, asked.sql, difficulty=name)
        for name, found in sets.items()
        for place, asked in enumerate(found)
    ]
    databases = {DEMO_DATABASE: BenchmarkDatabase(demo_database())}
    return Benchmark("the demo's sets", questions, databases, DemoJudge(demo_database()), write_sql_lines)
