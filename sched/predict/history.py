"""What earlier workflows tell of a new one: what follows a visit of a stage, and how long all take."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from sched.predict.bounded import BoundedTable
from sched.views import Pace

_LEAST_WEIGHT = 0.05
_LEAST_SEEN = 3
"""A mean of fewer workflows is no help."""
MOST_VISITS = 64
"""Visits of a stage that are told apart; of an agent that never ends, later ones are as the last of these."""
MOST_PATH_STEPS = 1024
PACE_WORKFLOWS = 64
PACE_QUANTILE = 0.8
_LEAST_PACE = 5
_MOST_PLACES = 16_384
"""Visits of stages remembered, of all kinds and databases."""
_MOST_KINDS = 256


class PathStep(NamedTuple):
    """The ``visit``-th visit of a stage on a workflow's critical path and its ``seconds`` alone.

    Neighbours of one ``beside`` run side by side; ``None``: after the step before it.
    """

    stage: str
    visit: int
    seconds: float
    beside: str | None = None


_Key = tuple[str, str | None, str, int]
_WHOLE = ("", 0)


class Paths:
    """Mean seconds of what follows a visit of a stage, per (workflow kind, database, stage, visit).

    So rounds of correction still to come are predicted from the rounds so far.  A database unknown falls
    back to its kind, a visit unknown to the one before it.  ``MOST_VISITS`` bounds both the visits that are
    known and those that are looked for.
    """

    def __init__(self) -> None:
        self._rest = BoundedTable[_Key, tuple[int, float]](_MOST_PLACES)

    def observe(self, kind: str, database: str | None, path: Sequence[PathStep]) -> None:
        """Learn from a finished workflow."""
        rest = longest = 0.0
        beside: str | None = None
        for step in reversed(path):
            if step.beside is None or step.beside != beside:
                rest, longest, beside = rest + longest, 0.0, step.beside
            if step.visit <= MOST_VISITS:
                self._learn(kind, database, (step.stage, step.visit), rest)
            longest = max(longest, step.seconds)
        rest += longest
        self._learn(kind, database, _WHOLE, rest)

    def rest(self, kind: str, database: str | None, stage: str, visit: int) -> float | None:
        """Return the expected seconds after a visit, ``None`` if too little is known."""
        for place in range(min(visit, MOST_VISITS), 0, -1):
            found = self._known(kind, database, (stage, place))
            if found is not None:
                return found
        return None

    def whole(self, kind: str, database: str | None) -> float | None:
        """Return the expected seconds of a whole workflow, ``None`` if too little is known."""
        return self._known(kind, database, _WHOLE)

    def _learn(self, kind: str, database: str | None, place: tuple[str, int], seconds: float) -> None:
        for owner in {database, None}:
            seen, mean = self._rest.get((kind, owner, *place), (0, 0.0))
            weight = max(_LEAST_WEIGHT, 1 / (seen + 1))
            self._rest[kind, owner, *place] = (seen + 1, mean + weight * (seconds - mean))

    def _known(self, kind: str, database: str | None, place: tuple[str, int]) -> float | None:
        for owner in (database, None):
            seen, mean = self._rest.get((kind, owner, *place), (0, 0.0))
            if seen >= _LEAST_SEEN:
                return mean
        return None


class Paces:
    """How long the latest finished workflows of each kind took."""

    def __init__(self) -> None:
        self._latest = BoundedTable[str, deque[tuple[float, float]]](_MOST_KINDS)
        self._pace = BoundedTable[str, Pace](_MOST_KINDS)

    def observe(self, kind: str, seconds: float, slo_seconds: float) -> None:
        """Learn from a finished workflow."""
        latest = self._latest.setdefault(kind, deque(maxlen=PACE_WORKFLOWS))
        latest.append((seconds, seconds / slo_seconds if slo_seconds > 0 else 1.0))
        if len(latest) >= _LEAST_PACE:
            place = int(PACE_QUANTILE * (len(latest) - 1))
            taken, share = (sorted(column)[place] for column in zip(*latest, strict=True))
            self._pace[kind] = Pace(taken, share)

    def pace(self, kind: str) -> Pace | None:
        """Return the pace of a kind, ``None`` if too few have finished."""
        return self._pace.get(kind)
