"""Everything is served."""

from __future__ import annotations

from collections.abc import Sequence

from sched.policy import Admission
from sched.views import RuntimeView, WorkflowView


class Always:
    """Admits every workflow and advises against nothing.

    Why: the default; a client that is refused must be ready for it.  Inputs: none; the core's own limit on
    waiting calls still holds.  Trade-offs: under lasting overload all deadlines are missed; who starves then
    is decided by the ordering policy.
    """

    name = "always"

    def admit(self, workflow: WorkflowView, runtimes: Sequence[RuntimeView], now: float) -> Admission:
        """Admit the workflow."""
        return Admission(True)

    def candidates(
        self, workflow: WorkflowView, wanted: int, runtimes: Sequence[RuntimeView], now: float
    ) -> int:
        """Return ``wanted``."""
        return wanted
