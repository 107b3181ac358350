"""Refuse, or do with less, what can't meet its deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import Admission
from sched.predict.speed import stretched
from sched.views import RuntimeView, WorkflowView

_RETRY_SECONDS = (1.0, 60.0)


@dataclass(frozen=True, kw_only=True)
class SloAware:
    """Compares a workflow's expected time under the present load with its SLO.

    Beyond ``refuse`` times the SLO the workflow is refused; it may come again after the seconds that are
    missing.  Beyond ``degrade`` times, it is advised to write fewer candidates, in proportion.  A kind of
    which nothing is known is admitted.

    Why: it keeps the deadlines of what was admitted.

    Inputs: the workflow's SLO and its time alone × how much slower than alone the best runtime now decodes,
    plus the prefills that wait there: a lower bound, so that what is refused really has no chance.

    Trade-offs: some are turned away or have fewer candidates; long workflows with tight SLOs are the first
    to be refused, and starve while the load lasts.
    """

    degrade: float = 1.0
    refuse: float = 1.5

    name: ClassVar[str] = "slo_aware"

    def __post_init__(self) -> None:
        if not 0 < self.degrade <= self.refuse:
            raise ValueError("degrade must be above 0 and not above refuse")

    def admit(self, workflow: WorkflowView, runtimes: Sequence[RuntimeView], now: float) -> Admission:
        """Refuse what would take more than ``refuse`` times its SLO."""
        expected = _expected_seconds(workflow, runtimes, now)
        limit = self.refuse * workflow.spec.slo_seconds
        if expected <= limit:
            return Admission(True)
        slo = workflow.spec.slo_seconds
        reason = f"it would take {expected:.0f} s at the present load, its SLO is {slo:g} s"
        least, most = _RETRY_SECONDS
        return Admission(False, reason, min(max(expected - limit, least), most))

    def candidates(
        self, workflow: WorkflowView, wanted: int, runtimes: Sequence[RuntimeView], now: float
    ) -> int:
        """Return fewer than ``wanted`` if the SLO would be passed by more than ``degrade``."""
        allowed = max(1e-3, self.degrade * workflow.spec.slo_seconds)
        late = _expected_seconds(workflow, runtimes, now) / allowed
        return wanted if late <= 1 else max(1, int(wanted / late))


def _expected_seconds(workflow: WorkflowView, runtimes: Sequence[RuntimeView], now: float) -> float:
    """Return the workflow's seconds under the present load of the runtime that is best for it."""
    if not runtimes:
        return 0.0
    alone = sum(r.lone_decode_seconds for r in runtimes) / len(runtimes)
    return min(_seconds_on(r, workflow.base_seconds, alone, now) for r in runtimes)


def _seconds_on(runtime: RuntimeView, base_seconds: float, alone: float, now: float) -> float:
    load, latency = runtime.load, runtime.latency
    calls = load.running + load.waiting
    context = (load.running_context + load.waiting_context) * (calls + 1) / max(1, calls)
    step = stretched(latency.step_seconds(calls + 1, context), runtime.stall_share(now))
    waiting = latency.prefill_seconds(load.backlog, load.running, load.running_context)
    return base_seconds * step / alone + waiting
