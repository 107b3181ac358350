"""Spider's rule, that of ``exec_eval.py`` in the test-suite evaluation.

Rows are compared as bags, whatever the order of the columns, and in their order where the right statement
has ``ORDER BY``.  ``DISTINCT`` is taken out of both statements first.  An answer must be right on every
database of the folder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sqlglot import Dialect, TokenError

from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.scoring.execution import Executed, Executor, Row
from launch.bench.accuracy.scoring.judge import Score

LIMIT_SECONDS = 60.0
_CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
_SPLIT_OPERATORS = (("> =", ">="), ("< =", "<="), ("! =", "!="))


class SpiderJudge:
    """``files`` are the databases of each folder by its name."""

    def __init__(self, files: Mapping[str, Sequence[Path]], executor: Executor | None = None) -> None:
        self._files = files
        self._executor = executor or Executor(undecodable="ignore")
        self._gold: dict[tuple[str, Path], Executed] = {}

    def judge(self, question: BenchmarkQuestion, sql: str) -> Score:
        """Return how ``sql`` answers ``question``: wrong as soon as one database says so."""
        ordered = "order by" in question.gold.lower()
        for file in self._files[question.database]:
            gold = self._gold.get((question.id, file))
            if gold is None:
                gold = self._executor.run(file, comparable(question.gold), LIMIT_SECONDS)
                self._gold[question.id, file] = gold
            if gold.error is not None:
                said = f"the right statement failed on {file.name}: {gold.error}"
                return Score(False, error=said, gold_failed=True)
            found = self._executor.run(file, comparable(sql), LIMIT_SECONDS)
            if found.error is not None:
                return Score(False, error=found.error)
            if not same_result(gold.rows, found.rows, ordered):
                return Score(False)
        return Score(True)


def comparable(sql: str) -> str:
    """Return ``sql`` as it is run: without ``DISTINCT``, operators joined, the current year 2020."""
    for split, joined in _SPLIT_OPERATORS:
        sql = sql.replace(split, joined)
    sql = _CURRENT_YEAR.sub("2020", sql)
    try:
        tokens = Dialect.get_or_raise("sqlite").tokenize(sql)
    except TokenError:  # it won't run either
        return sql
    for token in reversed(tokens):
        if sql[token.start : token.end + 1].lower() == "distinct":
            sql = sql[: token.start] + sql[token.end + 1 :]
    return sql


def same_result(right: Sequence[Row], found: Sequence[Row], ordered: bool) -> bool:
    """Return whether some order of the columns makes ``found`` the rows of ``right``."""
    if not right and not found:
        return True
    if len(right) != len(found) or len(right[0]) != len(found[0]):
        return False
    if not _alike(right, found, ordered):
        return False
    wanted = list(zip(*right, strict=True))
    columns = list(zip(*found, strict=True))
    if ordered:
        return Counter(wanted) == Counter(columns)
    return _matches(wanted, columns, [], [Counter(column) for column in columns])


def _alike(right: Sequence[Row], found: Sequence[Row], ordered: bool) -> bool:
    """Return whether the rows are the same once each is sorted by text and type.

    As in the official script, which thus tells 1 from 1.0 where it changes that order.
    """
    wanted, rows = (list(map(_sorted, side)) for side in (right, found))
    return wanted == rows if ordered else set(wanted) == set(rows)


def _sorted(row: Row) -> Row:
    return tuple(sorted(row, key=lambda value: str(value) + str(type(value))))


def _matches(
    wanted: Sequence[Row], columns: Sequence[Row], chosen: list[int], bags: Sequence[Counter[object]]
) -> bool:
    """Return whether the columns ``chosen`` for the first of ``wanted`` can be completed to all of them."""
    if len(chosen) == len(wanted):
        return True
    place = len(chosen)
    bag = Counter(wanted[place])
    for index in _different(columns, chosen):
        if bags[index] != bag:
            continue
        tried = [*chosen, index]
        same = Counter(_rows(wanted[: place + 1])) == Counter(_rows(columns[i] for i in tried))
        if same and _matches(wanted, columns, tried, bags):
            return True
    return False


def _different(columns: Sequence[Row], chosen: Sequence[int]) -> Iterator[int]:
    """Return the columns not yet chosen; of equal ones the first, since they are as good as each other."""
    seen: set[Row] = set()
    for index, column in enumerate(columns):
        if index not in chosen and column not in seen:
            seen.add(column)
            yield index


def _rows(columns: Iterable[Row]) -> Iterator[Row]:
    return zip(*columns, strict=True)
