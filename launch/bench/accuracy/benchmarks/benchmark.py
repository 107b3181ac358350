"""A benchmark, whatever its format: questions, databases, the rule of right answers, the official file."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.judge import Judge

PredictionWriter = Callable[[Path, Sequence[BenchmarkQuestion], Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class BenchmarkDatabase:
    """The file that is asked, and a folder of descriptions of its columns, if there is one."""

    file: Path
    descriptions: Path | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``write_predictions(path, questions, sql_by_id)`` writes the file that the official scripts read.

    ``notes`` are sentences about what was left out.
    """

    name: str
    questions: Sequence[BenchmarkQuestion]
    databases: Mapping[str, BenchmarkDatabase]
    judge: Judge
    write_predictions: PredictionWriter
    notes: Sequence[str] = ()

    def digest(self) -> str:
        """Return what tells these questions from others."""
        told = repr([astuple(question) for question in self.questions])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def drawn(self, at_most: int | None, seed: int) -> list[BenchmarkQuestion]:
        """Return ``at_most`` of the questions in an order that ``seed`` decides; the fewer begin the more."""
        order = random.Random(seed).sample(range(len(self.questions)), len(self.questions))
        return [self.questions[place] for place in order[:at_most]]
