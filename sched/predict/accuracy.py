"""How well predictions held, over the latest ones."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass

WINDOW = 1000
"""Predictions looked back on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Absolute errors of the latest ``predictions``: median and 90th percentile, in the unit of what was
    predicted, and as shares of what it was measured against (``None`` without any)."""

    predictions: int
    median: float | None = None
    p90: float | None = None
    median_share: float | None = None
    p90_share: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return plain data for JSON, figures to four digits."""
        return {n: None if v is None else float(f"{v:.4g}") for n, v in asdict(self).items()}


class Errors:
    """A bounded window of predictions and what became of them."""

    def __init__(self, window: int = WINDOW) -> None:
        self._errors: deque[tuple[float, float]] = deque(maxlen=window)

    def add(self, predicted: float, real: float, whole: float | None = None) -> None:
        """Note a prediction; the oldest one is forgotten when the window is full.

        ``whole`` is what the error is a share of, if not ``real``.
        """
        error = abs(predicted - real)
        self._errors.append((error, error / max(1e-9, real if whole is None else whole)))

    def accuracy(self) -> Accuracy:
        """Return what the window shows; percentiles are the nearest rank."""
        if not self._errors:
            return Accuracy(predictions=0)
        sizes, shares = (sorted(column) for column in zip(*self._errors, strict=True))

        def rank(values: list[float], share: float) -> float:
            return values[max(0, -int(-share * len(values) // 1) - 1)]

        return Accuracy(
            predictions=len(sizes),
            median=rank(sizes, 0.5),
            p90=rank(sizes, 0.9),
            median_share=rank(shares, 0.5),
            p90_share=rank(shares, 0.9),
        )
