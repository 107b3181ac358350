"""Any runtime, with equal chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import Placement
from sched.views import CallView, RuntimeView


@dataclass(frozen=True, kw_only=True)
class Random:
    """A runtime drawn with equal chance for each call.

    Why: the baseline below all others (sgl-router's ``random``).  Inputs: the call's sequence number and
    ``seed``, so that a run can be repeated.  Trade-offs: blind to speed, load and caches, so slow runtimes
    queue without bound.  No call is held back, so none starves.  No scores.
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
