"""Which candidate is the answer: of those without doubts the one that passes most unit tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sched.workflow import SqlResult

Fingerprint = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate after ``rounds`` revisions.  Its result is the best so far, rows before none.

    ``doubt`` says what speaks against it though it has rows.
    """

    index: int
    style: str
    rounds: int
    result: SqlResult
    doubt: str | None = None

    @property
    def has_rows(self) -> bool:
        """Whether its SQL ran and returned rows."""
        return self.result.ok and bool(self.result.rows)

    @property
    def settled(self) -> bool:
        """Whether it has rows, and nothing speaks against it."""
        return self.has_rows and self.doubt is None

    @property
    def complaint(self) -> str:
        """What is wrong with it, for the prompt of a revision."""
        return self.doubt or self.result.error or "the statement ran and returned no rows"

    def revised(self, round_: int, result: SqlResult, doubt: str | None = None) -> Candidate:
        """Return the candidate after revision ``round_``.

        One that fails doesn't replace SQL that ran; one that is doubtful or without rows, none that has some.
        """
        keep = self.result.ok and not result.ok
        if self.has_rows:
            keep = keep or not result.rows or doubt is not None
        if keep:
            return replace(self, rounds=round_)
        return Candidate(self.index, self.style, round_, result, doubt)

    def fingerprint(self) -> Fingerprint:
        """Return what makes two results the same: width and rows, whatever their order and column names."""
        return len(self.result.columns), tuple(sorted(map(repr, self.result.rows)))


def decided(done: Sequence[Candidate], total: int) -> bool:
    """Return whether more than half of all ``total`` candidates agree, so that the rest can't matter."""
    return bool(votes := _votes(done)) and max(votes.values()) * 2 > total


def rivals(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the first candidate of each distinct result with rows that nothing speaks against."""
    firsts: dict[Fingerprint, Candidate] = {}
    for candidate in candidates:
        if candidate.settled:
            firsts.setdefault(candidate.fingerprint(), candidate)
    return list(firsts.values())


def needs_tests(candidates: Sequence[Candidate], total: int) -> bool:
    """Return whether unit tests must choose: results differ, and the candidates haven't :func:`decided`."""
    return len(rivals(candidates)) > 1 and not decided(candidates, total)


def select(
    candidates: Sequence[Candidate], passed: Mapping[Fingerprint, int] | None = None
) -> dict[str, Any]:
    """Return the answer as a JSON-ready dictionary; ``passed`` counts the unit tests passed by a result.

    ``status`` is ``"ok"``, ``"empty"`` (the SQL ran and returned nothing) or ``"no_sql_ran"`` (then
    ``sql`` is ``None`` and ``sql_error`` says what the first candidate failed with).  Candidates with rows go
    before empty ones, before them those that nothing speaks against, then the most tests passed, then the
    most agreed result, then the first candidate.
    """
    votes = _votes(candidates)
    tests = passed or {}
    ran = [candidate for candidate in candidates if candidate.result.ok]

    def rank(candidate: Candidate) -> tuple[bool, bool, int, int, int]:
        key = candidate.fingerprint()
        good = candidate.settled, candidate.has_rows
        return *good, tests.get(key, 0), votes.get(key, 0), -candidate.index

    best = max(ran, key=rank, default=None)
    described = [_describe(candidate, votes, tests) for candidate in candidates]
    if best is None:
        error = candidates[0].result.error if candidates else "no candidate was written"
        return _answer("no_sql_ran", None, error, described)
    return _answer("ok" if best.has_rows else "empty", best.result, None, described)


def _votes(candidates: Sequence[Candidate]) -> Counter[Fingerprint]:
    return Counter(candidate.fingerprint() for candidate in candidates if candidate.settled)


def _answer(
    status: str, result: SqlResult | None, error: str | None, candidates: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "status": status,
        "sql": result.statement if result else None,
        "columns": list(result.columns) if result else [],
        "rows": [list(row) for row in result.rows] if result else [],
        "truncated": result.truncated if result else False,
        "sql_error": error,
        "candidates": candidates,
    }


def _describe(
    candidate: Candidate, votes: Counter[Fingerprint], tests: Mapping[Fingerprint, int]
) -> dict[str, Any]:
    result = candidate.result
    return {
        "index": candidate.index,
        "style": candidate.style,
        "revisions": candidate.rounds,
        "sql": result.statement,
        "row_count": len(result.rows) if result.ok else None,
        "agreed": votes.get(candidate.fingerprint(), 0) if candidate.settled else 0,
        "tests_passed": tests.get(candidate.fingerprint()) if candidate.settled else None,
        "doubt": candidate.doubt,
        "error": result.error,
    }
