"""The virtual token counter."""

from __future__ import annotations

from plugins.ordering.fcfs import Fcfs
from sched.views import PlacedCallView, RuntimeView


class Vtc(Fcfs):
    """The tenant that had fewest tokens for its weight goes next (Sheng et al., OSDI 2024, arXiv 2401.00588).

    Why: the published order that ``fair`` is measured against.  Inputs: the tenant's tokens over its weight,
    an output token counting twice, as published; within a tenant the key of ``fcfs``.  Trade-offs: cached
    prompts cost like others, and deadlines don't count.  No tenant starves.
    """

    name = "vtc"

    def cost(self, runtime: RuntimeView, prompt: int, uncached: int, output: float) -> float:
        """Return prompt tokens and twice the output tokens."""
        return prompt + 2 * output

    def turn(self, call: PlacedCallView, virtual: float, now: float) -> float:
        """Return the tenant's tokens over its weight."""
        return virtual
