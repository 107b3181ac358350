"""Many decode iterations at once: their seconds in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sched.sim.hardware import FLOP_PER_TOKEN, Gpu


@dataclass(frozen=True, slots=True)
class DecodeRun:
    """Iterations in which ``requests`` decode one token each, reading ``kv_tokens`` in the first one.

    Iteration j costs ``max(compute, memory + j · growth) + o`` seconds; compute is constant, so there is
    one iteration at which memory takes over.
    """

    gpu: Gpu
    requests: int
    kv_tokens: int
    _compute: float = field(init=False)
    _memory: float = field(init=False)
    _growth: float = field(init=False)
    _crossing: int = field(init=False)

    def __post_init__(self) -> None:
        compute = self.requests * FLOP_PER_TOKEN / self.gpu.flops
        memory = self.gpu.weights_seconds + self.kv_tokens * self.gpu.kv_seconds
        memory += max(0, self.requests - 1) * self.gpu.batch_seconds
        growth = self.requests * self.gpu.kv_seconds
        set_field = object.__setattr__  # the class is frozen
        set_field(self, "_compute", compute)
        set_field(self, "_memory", memory)
        set_field(self, "_growth", growth)
        set_field(self, "_crossing", max(0, math.ceil((compute - memory) / growth)) if growth else 0)

    def seconds(self, steps: int) -> float:
        """Return the seconds of the first ``steps`` iterations."""
        bound = min(steps, self._crossing)
        sum_of_steps = (steps * (steps - 1) - bound * (bound - 1)) / 2
        memory = (steps - bound) * self._memory + self._growth * sum_of_steps
        return steps * self.gpu.overhead_seconds + bound * self._compute + memory

    def steps_by(self, seconds: float, most: int) -> int:
        """Return the fewest iterations, of 1 to ``most``, that take at least ``seconds``."""
        low, high = 1, most
        while low < high:
            middle = (low + high) // 2
            if self.seconds(middle) >= seconds:
                high = middle
            else:
                low = middle + 1
        return low
