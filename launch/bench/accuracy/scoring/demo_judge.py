"""The rule of the demo's exam: the same rows in the same columns, in order where the right SQL has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.execution import Executor, Row
from launch.bench.accuracy.scoring.judge import Score

LIMIT_SECONDS = 30.0
_DECIMALS = 6
_MOST_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """``right``: the same rows; ``nearly``: the same but for further columns or the columns' order.

    ``error`` says why ``sql`` gave no rows.
    """

    right: bool
    nearly: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DemoJudge:
    """Judges answers about the demo ``database``."""

    database: Path
    executor: Executor = field(default_factory=Executor)

    def judge(self, question: BenchmarkQuestion, sql: str) -> Score:
        """Return how ``sql`` answers ``question``."""
        try:
            verdict = self.verdict(question.gold, sql)
        except ValueError as error:
            return Score(False, error=str(error), gold_failed=True)
        return Score(verdict.right, error=verdict.error)

    def verdict(self, gold: str, sql: str | None) -> Verdict:
        """Return how the rows of ``sql`` compare with those of ``gold``.

        Raises:
            ValueError: ``gold`` itself doesn't run.
        """
        wanted = self.executor.run(self.database, gold, LIMIT_SECONDS)
        if wanted.error is not None:
            raise ValueError(f"the right statement failed: {wanted.error}: {gold}")
        if not sql:
            return Verdict(False, False)
        found = self.executor.run(self.database, sql, LIMIT_SECONDS)
        if found.error is not None:
            return Verdict(False, False, found.error)
        ordered = "ORDER BY" in gold.upper()
        right, rows = _rounded(wanted.rows), _rounded(found.rows)
        same = _same_rows(right, rows, ordered)
        return Verdict(same, same or _within(right, rows, ordered))


def _rounded(rows: Sequence[Row]) -> list[Row]:
    return [
        tuple(round(value, _DECIMALS) if isinstance(value, float) else value for value in row) for row in rows
    ]


def _same_rows(wanted: Sequence[Row], found: Sequence[Row], ordered: bool) -> bool:
    return wanted == found if ordered else sorted(map(repr, wanted)) == sorted(map(repr, found))


def _within(wanted: Sequence[Row], found: Sequence[Row], ordered: bool) -> bool:
    if not wanted or len(wanted) != len(found):
        return False
    columns = range(min(len(found[0]), _MOST_COLUMNS))
    return any(
        _same_rows(wanted, [tuple(row[place] for place in places) for row in found], ordered)
        for places in permutations(columns, len(wanted[0]))
    )
