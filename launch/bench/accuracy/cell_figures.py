"""What came of a cell: how many answers are right, how soon they came, and what they cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from scipy.stats import binomtest

from launch.bench.accuracy.accuracy_cells import AccuracyCell
from launch.bench.accuracy.benchmarks.benchmark_question import BenchmarkQuestion
from launch.bench.accuracy.given_answer import GivenAnswer
from launch.bench.accuracy.scoring.judge import Score
from launch.bench.accuracy.scoring.rves import r_ves
from launch.bench.peers.intervals import Interval
from sched.sim.figures import percentile

_COSTS = ("calls", "prompt_tokens", "cached_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """A question, its answer and the score of that."""

    question: BenchmarkQuestion
    answer: GivenAnswer
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFigures:
    """Shares lie between 0 and 1, times are seconds; what a question ``costs`` is a mean.

    ``execution_accuracy``: the share of right answers (EX).  ``in_time``: of answers within the deadline,
    right or wrong.  ``right_in_time_per_second``: right answers within the deadline, over the time from the
    first question to the last answer.  A question without answer counts as wrong, and its time as infinite.
    """

    cell: AccuracyCell
    questions: int
    execution_accuracy: Interval
    by_difficulty: Mapping[str, Interval]
    soft_f1: float | None
    r_ves: float | None
    p50: float
    p95: float
    costs: Mapping[str, float]
    in_time: float
    right_in_time_per_second: Interval
    seconds: float
    errors: Mapping[str, int] = field(default_factory=dict)
    gold_failed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; infinite times are ``None``."""
        ex, per_second = self.execution_accuracy, self.right_in_time_per_second
        return {
            "server": self.cell.server,
            "candidates": self.cell.candidates,
            "load": self.cell.load.name,
            "questions": self.questions,
            "execution_accuracy": _plain(ex),
            "by_difficulty": {name: _plain(found) for name, found in self.by_difficulty.items()},
            "soft_f1": self.soft_f1,
            "r_ves": self.r_ves,
            "p50_seconds": self.p50 if math.isfinite(self.p50) else None,
            "p95_seconds": self.p95 if math.isfinite(self.p95) else None,
            "per_question": dict(self.costs),
            "in_time": self.in_time,
            "right_in_time_per_second": _plain(per_second),
            "seconds": self.seconds,
            "errors": dict(self.errors),
            "gold_failed": self.gold_failed,
        }


def figures_of(cell: AccuracyCell, judged: Sequence[JudgedAnswer], slo_seconds: float) -> CellFigures:
    """Return the figures of a cell with at least one answer."""
    answers = [one.answer for one in judged]
    seconds = [math.inf if answer.failed else answer.seconds for answer in answers]
    times = list(zip(judged, seconds, strict=True))
    good = sum(one.score.right and taken <= slo_seconds for one, taken in times)
    span = _span(answers)
    levels = dict.fromkeys(one.question.difficulty for one in judged)
    soft = [one.score.soft_f1 for one in judged if one.score.soft_f1 is not None]
    # Only BIRD has these two; an answer without SQL has neither, and counts as 0.
    rewards = [one.score.reward for one in judged if one.score.reward is not None]
    lacking = len(judged) - len(rewards)
    share = _share(good, len(judged))
    return CellFigures(
        cell=cell,
        questions=len(judged),
        execution_accuracy=_right_share(judged),
        by_difficulty={
            level: _right_share([one for one in judged if one.question.difficulty == level])
            for level in sorted(filter(None, levels))
        },
        soft_f1=math.fsum(soft) / len(judged) if soft else None,
        r_ves=r_ves([*rewards, *([0.0] * lacking)]) if rewards else None,
        p50=percentile(seconds, 0.5),
        p95=percentile(seconds, 0.95),
        costs={name: fmean(getattr(answer, name) for answer in answers) for name in _COSTS},
        in_time=sum(taken <= slo_seconds for taken in seconds) / len(judged),
        right_in_time_per_second=Interval(*(part * len(judged) / span for part in _parts(share))),
        seconds=span,
        errors=dict(Counter(answer.error for answer in answers if answer.failed and answer.error)),
        gold_failed=sum(one.score.gold_failed for one in judged),
    )


def _right_share(judged: Sequence[JudgedAnswer]) -> Interval:
    return _share(sum(one.score.right for one in judged), len(judged))


def _share(count: int, of: int) -> Interval:
    """Return ``count / of`` with Wilson's 95 % interval."""
    ends = binomtest(count, of).proportion_ci(method="wilson")
    return Interval(count / of, float(ends.low), float(ends.high))


def _parts(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _plain(interval: Interval) -> list[float]:
    return list(_parts(interval))


def _span(answers: Sequence[GivenAnswer]) -> float:
    """Return the seconds from the first question to the last answer, summed over uninterrupted parts."""
    parts: dict[str, list[GivenAnswer]] = {}
    for answer in answers:
        parts.setdefault(answer.part, []).append(answer)
    return math.fsum(
        max(answer.due + answer.seconds for answer in part) - min(answer.due for answer in part)
        for part in parts.values()
    )
