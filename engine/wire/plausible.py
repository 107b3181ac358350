"""What the fields of messages must say beyond their types, so that no peer's value breaks the receiver."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields

from sched.events import CacheScope
from sched.predict.speed import Pass, Speed

MOST = 2**48
"""No count of tokens, requests or bytes and no number of seconds is larger."""

_RATES = frozenset(field.name for field in fields(Speed))
_ABOVE_ZERO = ("prefill", "decode")
"""These rates divide."""


def check_numbers(least: float, **numbers: float) -> None:
    """Check that ``numbers`` lie between ``least`` and ``MOST``.

    Raises:
        ValueError: one doesn't; named.
    """
    for name, number in numbers.items():
        if not (math.isfinite(number) and least <= number <= MOST):
            raise ValueError(f"{name} is {number!r}, which can't be")


def check_speed(speed: Mapping[str, float]) -> None:
    """Check the fields of a ``Speed``, or that there are none.

    Raises:
        ValueError: one is unknown, missing or no rate; named.
    """
    if unknown := speed.keys() - _RATES:
        raise ValueError(f"speed has no {min(unknown)!r}")
    check_numbers(0, **speed)
    if speed and (bad := [name for name in _ABOVE_ZERO if not speed.get(name)]):
        raise ValueError(f"speed must say {bad[0]}, above 0")


def check_passes(passes: Sequence[Sequence[float]]) -> None:
    """Check the fields of each ``Pass``.

    Raises:
        ValueError: there are too few or many, or one can't be; named.
    """
    for done in passes:
        if len(done) != len(Pass._fields):
            raise ValueError(f"a pass has {len(Pass._fields)} numbers, not {len(done)}")
        for name, number in zip(Pass._fields, done, strict=True):
            if not (math.isfinite(number) and number >= 0):  # some are squares
                raise ValueError(f"{name} of a pass is {number!r}, which can't be")


def check_scope(scope: str) -> None:
    """Check the scope of a report on a cache.

    Raises:
        ValueError: there is no such scope.
    """
    CacheScope(scope)
