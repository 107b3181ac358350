"""From measured forward passes to a runtime's speed, and to how it should be configured."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched.errors import ConfigError
from sched.predict.speed import Pass, Speed

FORMAT = "sluice-calibration-1"
RIDGE_FACTOR = 1.2
"""Prefill tokens beside decoding, over the ridge: the cliff below it is steep, above it the gain fades."""
_LEAST_HIDDEN = 0.5
"""A runtime that hides less of a mixed pass has no ridge to speak of."""
_LEAST_BUDGET = 32
_FLOOR = 1e-9
_OUTLIER = 1.5
"""A pass that takes longer than this multiple of the median of similar passes was disturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A runtime as measured: raw ``passes``, the ``speed`` fitted to them, and what was measured.

    ``key`` tells for what it holds (model, device, SGLang, flags).  ``max_total_tokens``,
    ``max_running_requests``, ``chunk_tokens``: its sizes.  ``error``: median of |fit − real| / real.
    """

    key: Mapping[str, Any]
    speed: Speed
    max_total_tokens: int
    max_running_requests: int
    chunk_tokens: int
    error: float
    passes: Sequence[Pass] = ()

    @property
    def budget_tokens(self) -> int:
        """Prefill tokens that should ride on each decode step; 0: mixing gains nothing worth a switch, or was
        not measured."""
        ridge = self.speed.ridge_tokens
        if not any(p.tokens and p.calls for p in self.passes):
            return 0
        if self.speed.hidden < _LEAST_HIDDEN or RIDGE_FACTOR * ridge < _LEAST_BUDGET:
            return 0
        return round(RIDGE_FACTOR * ridge)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "format": FORMAT,
            **asdict(self),
            "key": dict(self.key),
            "passes": [{**p._asdict(), "seconds": round(p.seconds, 7)} for p in self.passes],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Return what :meth:`as_dict` made.

        Raises:
            ConfigError: it is something else.
        """
        try:
            if data["format"] != FORMAT:
                raise ConfigError(f"format: {data['format']!r} is unknown, this version reads {FORMAT!r}")
            values = {name: data[name] for name in cls.__dataclass_fields__}
            passes = tuple(Pass(**p) for p in values["passes"])
            return cls(**{**values, "speed": Speed(**values["speed"]), "passes": passes})
        except (KeyError, TypeError) as error:
            raise ConfigError(f"this is no calibration ({error}): make one by starting a server") from error


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file.

    Raises:
        ConfigError: it can't be read, or is something else.
    """
    try:
        return Calibration.from_dict(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"the calibration {path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no calibration: {error}; make one by starting a server") from error


def fit(passes: Sequence[Pass], request: float = 0.0) -> Speed:
    """Return the speed that explains ``passes`` best, with least relative squares and no negative rate.

    ``request``: seconds of a call outside its passes.

    Raises:
        ValueError: fewer than three passes of a kind.
    """
    prefills = undisturbed([p for p in passes if p.tokens and not p.calls])
    steps = undisturbed([p for p in passes if p.calls and not p.tokens])
    if len(prefills) < 3 or len(steps) < 3:
        raise ValueError(f"{len(prefills)} prefills and {len(steps)} decode steps are too few to fit")
    overhead, rate, attention, padded = _least_squares(
        [(1.0, p.tokens, p.reach, p.square) for p in prefills], [p.seconds for p in prefills]
    )
    step, call, kv = _least_squares(
        [(1.0, p.calls - 1, p.context) for p in steps], [p.seconds for p in steps]
    )
    # A step has the overhead of any pass: what exceeds it is a prefill's own.
    overhead = min(overhead, step)
    speed = Speed(max(rate, _FLOOR), max(step, _FLOOR), kv, overhead, call, attention, padded, 1.0, request)
    mixed = [p for p in passes if p.calls and p.tokens]
    return speed if not mixed else _with_hidden(speed, mixed)


def fit_error(speed: Speed, passes: Sequence[Pass]) -> float:
    """Return the median of |expected − real| / real over ``passes``."""
    return median(abs(speed.pass_seconds(p) - p.seconds) / p.seconds for p in passes)


def undisturbed(passes: Sequence[Pass]) -> list[Pass]:
    """Return ``passes`` without those that took much longer than their like."""
    like: dict[tuple[int, int, int, int], list[float]] = {}
    for p in passes:
        like.setdefault(_kind(p), []).append(p.seconds)
    limit = {kind: _OUTLIER * median(seconds) for kind, seconds in like.items()}
    return [p for p in passes if p.seconds <= limit[_kind(p)]]


def _kind(p: Pass) -> tuple[int, int, int, int]:
    return p.requests, p.tokens, p.calls, p.context // 256


def _with_hidden(speed: Speed, mixed: Sequence[Pass]) -> Speed:
    """Return ``speed`` with the share of the smaller part that mixed passes hid, at the median."""
    bare = asdict(speed)
    apart, together = Speed(**{**bare, "hidden": 0.0}), Speed(**{**bare, "hidden": 1.0})
    shares = []
    for p in mixed:
        most, least = apart.pass_seconds(p), together.pass_seconds(p)
        if most > least:
            shares.append((most - p.seconds) / (most - least))
    return Speed(**{**bare, "hidden": min(1.0, max(0.0, median(shares)))}) if shares else speed


def _least_squares(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float]:
    """Return the non-negative coefficients with the least sum of squared relative errors.

    With so few columns every set of positive ones can be tried.
    """
    weights = 1 / np.asarray(seconds)
    matrix = np.asarray(rows, dtype=float) * weights[:, None]
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    ones = np.ones(len(rows))
    columns = range(matrix.shape[1])
    best: tuple[float, NDArray[np.float64]] = (float("inf"), np.zeros(matrix.shape[1]))
    for count in columns:
        for chosen in itertools.combinations(columns, count + 1):
            part = list(chosen)
            solution, *_ = np.linalg.lstsq(matrix[:, part] / scale[part], ones, rcond=None)
            if (solution >= 0).all():
                loss = float(np.square(matrix[:, part] / scale[part] @ solution - ones).sum())
                if loss < best[0] - 1e-12:
                    full = np.zeros(matrix.shape[1])
                    full[part] = solution / scale[part]
                    best = loss, full
    return [float(x) for x in best[1]]
