"""BIRD's reward-based valid efficiency score (R-VES): how fast a right statement is beside the right one.

The rule is that of ``evaluation_ves.py`` in BIRD's mini-dev.  The score depends on the machine and on what
else runs there, however often the statements are timed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

REPEATS = 100
"""How often BIRD times the two statements."""
_REWARDS = ((2.0, 1.25), (1.0, 1.0), (0.5, 0.75), (0.25, 0.5), (0.0, 0.25))
_USUAL_DEVIATIONS = 3


def usual_mean(ratios: Sequence[float]) -> float:
    """Return the mean of ``ratios`` within three standard deviations of their mean.

    Where all are equal, BIRD's script drops every one of them and gives no reward; here their value is taken.
    """
    values = np.asarray(ratios)
    kept = values[np.abs(values - values.mean()) < _USUAL_DEVIATIONS * values.std()]
    return float(kept.mean() if len(kept) else values.mean())


def reward(ratio: float) -> float:
    """Return the reward of a right answer whose ``ratio`` is the right statement's seconds over its own.

    It is 1.25, 1, 0.75, 0.5 or 0.25, for ratios from 2, 1, 0.5, 0.25 or 0 on.
    """
    return next(worth for least, worth in _REWARDS if ratio >= least)


def r_ves(rewards: Sequence[float]) -> float:
    """Return the score of questions with these rewards (0 for a wrong answer), from 0 to √1.25."""
    return math.fsum(map(math.sqrt, rewards)) / len(rewards)
