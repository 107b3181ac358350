"""What is said of an answer, whatever the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion


@dataclass(frozen=True, slots=True)
class Score:
    """``right``, and what only BIRD scores: ``soft_f1`` from 0 to 1, ``reward`` from 0 to 1.25.

    ``error`` says why no rows could be compared; ``gold_failed``: since the right statement didn't run.
    """

    right: bool
    soft_f1: float | None = None
    reward: float | None = None
    error: str | None = None
    gold_failed: bool = False


class Judge(Protocol):
    """A benchmark's rule."""

    def judge(self, question: BenchmarkQuestion, sql: str) -> Score:
        """Return how ``sql`` answers ``question``."""
        ...
