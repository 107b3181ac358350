"""BIRD's rules: execution accuracy (EX), soft F1 and R-VES.

EX is that of ``evaluation_ex.py`` in BIRD's mini-dev: the rows of both statements are the same as sets, and
both together take 30 s at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.execution import Executed, Executor
from launch.bench.accuracy.scoring.judge import Score
from launch.bench.accuracy.scoring.rves import reward, usual_mean
from launch.bench.accuracy.scoring.soft_f1 import soft_f1

LIMIT_SECONDS = 30.0


class BirdJudge:
    """``files`` are the databases by name; without ``repeats`` nothing is timed and no reward given."""

    def __init__(self, files: Mapping[str, Path], repeats: int, executor: Executor | None = None) -> None:
        self._files = files
        self._repeats = repeats
        self._executor = executor or Executor()
        self._gold: dict[str, Executed] = {}

    def judge(self, question: BenchmarkQuestion, sql: str) -> Score:
        """Return how ``sql`` answers ``question``."""
        file = self._files[question.database]
        gold = self._gold.get(question.id)
        if gold is None:
            gold = self._executor.run(file, question.gold, LIMIT_SECONDS)
            self._gold[question.id] = gold
        if gold.error is not None:
            return self._failed(f"the right statement failed: {gold.error}", gold_failed=True)
        found = self._executor.run(file, sql, LIMIT_SECONDS - gold.seconds)
        if found.error is not None:
            return self._failed(found.error)
        right = set(found.rows) == set(gold.rows)
        worth = self._reward(file, question.gold, sql) if right and self._repeats else 0.0
        return Score(right, soft_f1(gold.rows, found.rows), worth if self._repeats else None)

    def _failed(self, error: str, gold_failed: bool = False) -> Score:
        return Score(False, 0.0, 0.0 if self._repeats else None, error, gold_failed)

    def _reward(self, file: Path, gold: str, sql: str) -> float:
        """Time both statements in turn; no reward if one of them fails or all take too long."""
        ratios: list[float] = []
        left = LIMIT_SECONDS * self._repeats
        for _ in range(self._repeats):
            found, wanted = (self._executor.run(file, text, LIMIT_SECONDS) for text in (sql, gold))
            left -= found.seconds + wanted.seconds
            if found.error is not None or wanted.error is not None or left < 0:
                return 0.0
            ratios.append(wanted.seconds / found.seconds)
        return reward(usual_mean(ratios))
