"""Weighted fair sharing among tenants, bent by deadlines; within each tenant ``adaptive``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from plugins.ordering.adaptive import Adaptive
from sched.views import PlacedCallView, RuntimeView


@dataclass(frozen=True, kw_only=True)
class Fair(Adaptive):
    """The tenant that had least GPU time for its weight goes next, earlier by ``advance`` where it is urgent.

    Why: tenants with more work than their shares would otherwise be served by how much they send.  Formula:
    the virtual token counter (Sheng et al., OSDI 2024, arXiv 2401.00588), with GPU seconds for tokens: those
    of its uncached prompt, and for each output token a step's seconds over the calls that share the step.
    Idle shares are lent: a tenant that comes back starts level with those that wait.

    Inputs: what ``adaptive`` looks at; the tenant's virtual time, GPU seconds over weight; for urgency the
    workflow's deadline, the call's predicted seconds and the critical path after it.  A call is urgent if
    its latest start that meets the deadline is within the next ``soon`` seconds and not past.

    Trade-offs: work waits that ``adaptive`` would send, so prefixes are shared less.  Only calls that are
    held are divided: a batch that is full of others' calls is not emptied, and a priority goes first only
    among its tenant's own, until it is sent.  Nothing starves: the advance is
    bounded, so a tenant is ahead of its share by at most ``advance`` · weight GPU seconds and one call's.
    With one tenant the order is exactly that of ``adaptive``.
    """

    advance: float = 0.1
    soon: float = 10.0

    name: ClassVar[str] = "fair"

    def __post_init__(self) -> None:
        super().__post_init__()
        for told in ("advance", "soon"):
            if not 0 <= getattr(self, told) < math.inf:
                raise ValueError(f"{told} must be a number of seconds from 0, not {getattr(self, told):g}")

    def cost(self, runtime: RuntimeView, prompt: int, uncached: int, output: float) -> float:
        """Return predicted GPU seconds."""
        calls = max(1, runtime.load.running)
        step = runtime.latency.step_seconds(calls, max(prompt, runtime.load.running_context)) / calls
        return runtime.latency.prefill_seconds(uncached, 0, 0.0) + output * step

    def turn(self, call: PlacedCallView, virtual: float, now: float) -> float:
        """Return the tenant's virtual time, less the advance if its call is urgent."""
        left = call.workflow.deadline - call.predicted_seconds - call.lone_rest_seconds - now
        return virtual - self.advance if 0 <= left <= self.soon else virtual
