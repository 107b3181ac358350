"""Refuse, or do with less, what can't meet its deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sched.policy import Admission
from sched.views import RuntimeView, WorkflowView

_LEAST_SLOWDOWN = 1.2
"""Below it the load is not to blame: nothing is refused."""


@dataclass(frozen=True, kw_only=True)
class SloAware:
    """Compares a workflow's expected time at the present load with the deadline that its client gave.

    Beyond ``refuse`` times its SLO a workflow is refused.  Beyond ``degrade`` times, it is advised to write
    fewer candidates, in proportion.  One that was admitted and is late ends before another of its calls is
    sent, or goes on with ``keep_late``.

    Why: under overload runtimes that serve everybody serve nobody in time.  With fewer workflows those
    admitted meet their deadlines, and about as many do as at full load.

    Inputs: the slowdown expected from the number of open workflows, and what earlier workflows of the kind
    took, over their slowdown and by their SLO.  Nothing is refused where the client gave no deadline, where
    nothing is known of the kind, or at a slowdown below 1.2.

    Trade-offs: some are turned away, or have fewer candidates; tight deadlines are refused first, and starve
    while the load lasts.  Workflows without a deadline are not held back, however many there are.
    """

    degrade: float = 0.8
    refuse: float = 0.9
    keep_late: bool = False

    name: ClassVar[str] = "slo_aware"

    def __post_init__(self) -> None:
        if not 0 < self.degrade <= self.refuse:
            raise ValueError("degrade must be above 0 and not above refuse")

    @property
    def ends_late(self) -> bool:
        """Whether late workflows end."""
        return not self.keep_late

    def admit(self, workflow: WorkflowView, runtimes: Sequence[RuntimeView], now: float) -> Admission:
        """Refuse what would take more than ``refuse`` times its SLO."""
        late = _share(workflow, runtimes) / self.refuse
        if late <= 1 or workflow.slowdown < _LEAST_SLOWDOWN:
            return Admission(True)
        reason = (
            f"it would take about {workflow.expected_seconds:.3g} s at the present load, "
            f"its deadline leaves {workflow.spec.slo_seconds:g} s"
        )
        return Admission(False, reason, excess=1 - 1 / late)

    def candidates(
        self, workflow: WorkflowView, wanted: int, runtimes: Sequence[RuntimeView], now: float
    ) -> int:
        """Return fewer than ``wanted`` if more than ``degrade`` times the SLO would be needed."""
        late = _share(workflow, runtimes) / self.degrade
        return wanted if late <= 1 else max(1, int(wanted / late))


def _share(workflow: WorkflowView, runtimes: Sequence[RuntimeView]) -> float:
    """Return the expected time over a firm SLO, 0 if there is none or nothing is known."""
    expected, spec = workflow.expected_seconds, workflow.spec
    known = runtimes and spec.firm and expected is not None
    return (expected or 0.0) / max(1e-9, spec.slo_seconds) if known else 0.0
