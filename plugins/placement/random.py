"""Any runtime, with equal chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import CallView, Placement, RuntimeView


@dataclass(frozen=True, kw_only=True)
class Random:
    """Runtimes drawn evenly from the call's sequence number and ``seed``, so that a run can be repeated.

    The baseline below all others (sgl-router's ``random``): blind to speed, load and caches.  No scores.
    No call is held back, so none starves; slow runtimes queue without bound.
    """

    seed: int = 0

    name: ClassVar[str] = "random"

    def place(self, call: CallView, runtimes: Sequence[RuntimeView], now: float) -> Placement:
        """Return the drawn runtime."""
        chosen = draw(call, self.seed).choice(runtimes)
        return Placement(chosen.name, f"drawn among {len(runtimes)} runtimes")


def draw(call: CallView, seed: int) -> random.Random:
    """Return a generator that depends on nothing but the call's sequence number and ``seed``."""
    return random.Random(f"{seed}:{call.sequence}")
