"""How far to believe a new observation: steps that an outlier can't make long."""

from __future__ import annotations

from collections.abc import Sequence

_CLIP = 4.0
"""An observation counts as at most this many times (or this fraction of) the present estimate, so that
one stall doesn't spoil it; a lasting change still gets through in a few steps."""


def corrections(parts: Sequence[float], seconds: float, weight: float) -> list[float]:
    """Return by which factors to correct ``parts``, whose sum should have been ``seconds``.

    They are corrected in proportion to the square of their share: the least change that would have been right
    (normalised least mean squares), ``weight`` of it, and no factor further than that from 1.
    """
    expected, squares = sum(parts), sum(part * part for part in parts)
    if squares <= 0:
        return [1.0] * len(parts)
    seconds = min(max(seconds, expected / _CLIP), expected * _CLIP)
    per_second = weight * (seconds - expected) / squares
    return [1 + max(-weight, min(weight, per_second * part)) for part in parts]


def blend(old: float, new: float, weight: float) -> float:
    """Return ``old`` moved towards ``new``, which counts as at most four times (a fourth of) it."""
    clipped = min(max(new, old / _CLIP), old * _CLIP)
    return old + weight * (clipped - old)
