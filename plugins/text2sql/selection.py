"""Which candidate is the answer: of those with rows the one that passes most unit tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plugins.text2sql.checked_statement import CheckedStatement
from plugins.text2sql.dropped_conditions import dropped
from sched.errors import SluiceError
from sched.workflow import SqlResult

Fingerprint = tuple[int, tuple[str, ...]]
_EMPTY: Fingerprint = (0, ())


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate after ``rounds`` revisions.  Its result is the best so far, rows before none.

    ``dropped`` are the conditions without which a revision would have had rows: then the empty result stands.
    ``failure`` is the error of the model's call if that never wrote a statement.  ``hopeless``: the token
    limit ended its first answer, or that held no SELECT.
    ``wrote_sql``: one of its answers held a SELECT.
    ``written`` is the statement as the model wrote it, where the database's dialect is another one.
    """

    index: int
    style: str
    rounds: int
    result: SqlResult
    dropped: tuple[str, ...] = ()
    failure: SluiceError | None = None
    hopeless: bool = False
    written: str | None = None
    wrote_sql: bool = True

    @property
    def statement(self) -> str:
        """The statement in the model's own words."""
        return self.result.statement if self.written is None else self.written

    @property
    def as_written(self) -> SqlResult:
        """Its result with the statement in the model's own words."""
        return replace(self.result, statement=self.statement)

    @property
    def is_empty(self) -> bool:
        """Whether its SQL ran and returned no row."""
        return self.ran and not self.result.rows

    @property
    def ran(self) -> bool:
        """Whether its SQL ran, and wasn't only checked."""
        return self.result.ok and not isinstance(self.result, CheckedStatement)

    @property
    def has_rows(self) -> bool:
        """Whether its SQL ran and returned rows."""
        return self.result.ok and bool(self.result.rows)

    @property
    def settled(self) -> bool:
        """Whether no revision is needed: it has rows, or rightly none, or it was found right unrun."""
        return self.has_rows or bool(self.dropped) or (self.result.ok and not self.ran)

    @property
    def complaint(self) -> str:
        """What is wrong with it, for the prompt of a revision."""
        return complaint(self.result)

    def revised(self, round_: int, result: SqlResult, dialect: str, written: str | None = None) -> Candidate:
        """Return the candidate after revision ``round_``; the model writes ``dialect``.

        One that fails doesn't replace SQL that ran; and none replaces SQL without rows, if all it did is to
        drop a condition.
        """
        later = Candidate(self.index, self.style, round_, result, written=written, wrote_sql=self.wrote_sql)
        if self.result.ok and not result.ok:
            return replace(self, rounds=round_)
        if self.is_empty and (missing := dropped(self.statement, later.statement, dialect)):
            return replace(self, rounds=round_, dropped=tuple(missing) if result.rows else ())
        return later

    def fingerprint(self) -> Fingerprint:
        """Return what makes two results the same: width and rows, whatever their order and column names.

        All empty results are the same.  Of statements that weren't run the words must be.
        """
        if self.is_empty:
            return _EMPTY
        if not self.ran:
            return -1, (" ".join(self.result.statement.lower().split()),)
        return len(self.result.columns), tuple(sorted(map(repr, self.result.rows)))


def check_written(candidates: Sequence[Candidate]) -> None:
    """Raise the failure of the first candidate if none of them was written."""
    failures = [candidate.failure for candidate in candidates]
    if failures and all(failures) and failures[0]:
        raise failures[0]


def complaint(result: SqlResult) -> str:
    """Return what is wrong with a ``result`` that failed or is empty."""
    return result.error or "the statement ran and returned no rows"


def decided(done: Sequence[Candidate], total: int) -> bool:
    """Return whether more than half of all ``total`` candidates agree, so that the rest can't matter."""
    return bool(votes := _votes(done)) and max(votes.values()) * 2 > total


def rivals(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the first candidate of each distinct result with rows that nothing speaks against."""
    firsts: dict[Fingerprint, Candidate] = {}
    for candidate in candidates:
        if candidate.settled and candidate.has_rows:
            firsts.setdefault(candidate.fingerprint(), candidate)
    return list(firsts.values())


def needs_tests(candidates: Sequence[Candidate], total: int) -> bool:
    """Return whether unit tests must choose: results differ, and the candidates haven't :func:`decided`."""
    return len(rivals(candidates)) > 1 and not decided(candidates, total)


def best_of(
    candidates: Sequence[Candidate], passed: Mapping[Fingerprint, int] | None = None
) -> Candidate | None:
    """Return the candidate that is the answer; ``passed`` counts the unit tests passed by a result.

    ``None`` if no SQL could be run.  An empty result that more than half of the candidates agree on is right.
    Else candidates with rows go before empty ones, before them those that nothing speaks against, then the
    most tests passed, then the most agreed result, then the first candidate.
    """
    votes = _votes(candidates)
    tests = passed or {}
    agreed_empty = votes[_EMPTY] * 2 > len(candidates)

    def rank(candidate: Candidate) -> tuple[bool, bool, int, int, int]:
        key = candidate.fingerprint()
        agreed = agreed_empty and candidate.is_empty
        good = agreed, candidate.has_rows
        return *good, tests.get(key, 0), votes.get(key, 0), -candidate.index

    return max((candidate for candidate in candidates if candidate.result.ok), key=rank, default=None)


def select(
    candidates: Sequence[Candidate], passed: Mapping[Fingerprint, int] | None = None
) -> dict[str, Any]:
    """Return the answer, :func:`best_of` the candidates, as a JSON-ready dictionary.

    ``status`` is ``"ok"``, ``"empty"`` (the SQL ran and returned nothing; the ``reason`` says how many found
    so), ``"not_run"`` (it was only checked) or ``"no_sql_ran"`` (then ``sql`` is ``None`` and ``sql_error``
    says what the first candidate failed with).
    """
    votes = _votes(candidates)
    best = best_of(candidates, passed)
    described = [_describe(candidate, votes, passed or {}) for candidate in candidates]
    if best is None:
        error = candidates[0].result.error if candidates else "no candidate was written"
        return _answer("no_sql_ran", None, error, described)
    if not best.ran:
        return _answer("not_run", best.result, None, described)
    if best.has_rows:
        return _answer("ok", best.result, None, described)
    return _answer("empty", best.result, None, described) | {
        "reason": _why_empty(best, votes, len(candidates))
    }


def agree_on_nothing(candidates: Sequence[Candidate]) -> bool:
    """Return whether candidates compete, some ran, and no two have the same rows: that none has any is no
    agreement."""
    votes = _votes(candidates)
    most = max((count for result, count in votes.items() if result != _EMPTY), default=0)
    return len(candidates) > 1 and bool(votes) and most <= 1


def _why_empty(best: Candidate, votes: Counter[Fingerprint], total: int) -> str:
    agreed = f"{votes[_EMPTY]} of {total} candidates ran and found no row"
    if best.dropped:
        return f"{agreed}; rows came only without {' and '.join(best.dropped)}"
    return agreed


def _votes(candidates: Sequence[Candidate]) -> Counter[Fingerprint]:
    return Counter(candidate.fingerprint() for candidate in candidates if candidate.result.ok)


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
        "reason": None,
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
        "row_count": len(result.rows) if candidate.ran else None,
        "agreed": votes.get(candidate.fingerprint(), 0) if result.ok else 0,
        "tests_passed": tests.get(candidate.fingerprint()) if candidate.settled else None,
        "error": result.error,
    }
