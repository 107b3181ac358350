"""A question of any benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchmarkQuestion:
    """``gold`` is the right SQL, empty where a benchmark gives right rows instead.

    ``evidence`` is what the benchmark says about the question's words; ``difficulty`` may be empty.
    """

    id: str
    database: str
    question: str
    gold: str = ""
    evidence: str = ""
    difficulty: str = ""
