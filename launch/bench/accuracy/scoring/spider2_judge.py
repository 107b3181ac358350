"""The rule of Spider 2-lite, that of its ``evaluate.py``: the answer has every column of a right result.

Both results are compared as they are after being written to a CSV file and read again: a column is one of
whole numbers, of numbers or of text.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.execution import Executor
from launch.bench.accuracy.scoring.judge import Score

LIMIT_SECONDS = 60.0
TOLERANCE = 0.01
_MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A")
) | {"NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
_TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)\s*", re.ASCII | re.IGNORECASE)

Column = list[Any]


@dataclass(frozen=True, slots=True)
class RightResult:
    """One right result.  ``condition_columns``: the places of the columns that count; none means all."""

    columns: Sequence[Column]
    condition_columns: Sequence[int] = ()

    def counting(self) -> Sequence[Column]:
        """Return the columns that an answer must have."""
        return [self.columns[place] for place in self.condition_columns] or self.columns


@dataclass(frozen=True, slots=True)
class RightResults:
    """The results of which an answer must have one."""

    results: Sequence[RightResult]
    ignore_order: bool = False


class Spider2Judge:
    """``files`` are the databases by name, ``right`` the right results by the questions' ids."""

    def __init__(
        self, files: Mapping[str, Path], right: Mapping[str, RightResults], executor: Executor | None = None
    ) -> None:
        self._files = files
        self._right = right
        self._executor = executor or Executor()

    def judge(self, question: BenchmarkQuestion, sql: str) -> Score:
        """Return how ``sql`` answers ``question``."""
        found = self._executor.run(self._files[question.database], sql, LIMIT_SECONDS)
        if found.error is not None:
            return Score(False, error=found.error)
        answer = columns_of([[_written(value) for value in row] for row in found.rows], len(found.columns))
        return Score(has_one(answer, self._right[question.id]))


def has_one(answer: Sequence[Column], right: RightResults) -> bool:
    """Return whether ``answer`` has all the columns of one of the right results."""
    return any(
        all(
            any(_same(wanted, column, right.ignore_order) for column in answer)
            for wanted in result.counting()
        )
        for result in right.results
    )


def read_columns(text: str) -> list[Column]:
    """Return the columns of a CSV file with a line of names."""
    names, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    # A line without anything is no row.
    return columns_of([row for row in rows if row], len(names))


def columns_of(rows: Sequence[Sequence[str]], width: int) -> list[Column]:
    """Return the ``width`` columns of ``rows`` of texts, each with values of one type."""
    return [_typed([row[place] if place < len(row) else "" for row in rows]) for place in range(width)]


def _typed(texts: Sequence[str]) -> Column:
    """Return the values of a column; a missing one is 0, as in the official script."""
    present = [text for text in texts if text not in _MISSING]
    if len(present) == len(texts) and all(text in _TRUTHS for text in texts):
        return [_TRUTHS[text] for text in texts]
    if not all(map(_NUMBER.fullmatch, present)):
        return [0 if text in _MISSING else text for text in texts]
    # Beside a missing value whole numbers are no longer told from others; this shows when they are sorted.
    whole = len(present) == len(texts) and all(map(_WHOLE.fullmatch, texts))
    number = int if whole else float
    return [0 if text in _MISSING else number(text) for text in texts]


def _written(value: Any) -> str:
    return "" if value is None else str(value)


def _same(wanted: Column, found: Column, ignore_order: bool) -> bool:
    if len(wanted) != len(found):
        return False
    if ignore_order:
        wanted, found = sorted(wanted, key=str), sorted(found, key=str)
    return all(map(_equal, wanted, found))


def _equal(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, str) or isinstance(found, str):
        return bool(wanted == found)
    return math.isclose(wanted, found, abs_tol=TOLERANCE)
