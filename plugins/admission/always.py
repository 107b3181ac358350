"""Everything is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sched.policy import Admission
from sched.views import RuntimeView, WorkflowView


class Always:
    """Admits every workflow, ends none and advises against nothing.

    Why: for measurements, and for clients that can't be refused.  Inputs: none; the core's own limit on
    waiting calls still holds.  Trade-offs: under lasting overload all deadlines are missed; who starves then
    is decided by the ordering policy.
    """

    name = "always"
    ends_late: ClassVar[bool] = False

    def admit(self, workflow: WorkflowView, runtimes: Sequence[RuntimeView], now: float) -> Admission:
        """Admit the workflow."""
        return Admission(True)

    def candidates(
        self, workflow: WorkflowView, wanted: int, runtimes: Sequence[RuntimeView], now: float
    ) -> int:
        """Return ``wanted``."""
        return wanted
