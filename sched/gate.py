"""The door: workflows pass the admission policy when they arrive."""

from __future__ import annotations

from collections.abc import Collection

from sched.errors import Failure
from sched.policy import Admission, AdmissionPolicy
from sched.request import Workflow
from sched.runtime import RuntimeState


class Gate:
    """Asks the admission policy, if there is one."""

    def __init__(self, policy: AdmissionPolicy | None) -> None:
        self._policy = policy

    def refusal(self, workflow: Workflow, runtimes: Collection[RuntimeState], now: float) -> Failure | None:
        """Return why a workflow is not served, ``None`` if it is.  A policy's fault costs that workflow."""
        if self._policy is None:
            return None
        try:
            admission = self._policy.admit(workflow, list(runtimes), now)
        except Exception as error:
            return Failure("internal_error", f"the admission policy failed: {error!r}")
        return None if admission.admitted else _refused(admission)

    def candidates(
        self, workflow: Workflow | None, wanted: int, runtimes: Collection[RuntimeState], now: float
    ) -> int:
        """Return how many of ``wanted`` alternative answers a workflow had better write: 1 to ``wanted``."""
        if self._policy is None or workflow is None:
            return wanted
        advised = self._policy.candidates(workflow, wanted, list(runtimes), now)
        return max(1, min(wanted, advised))


def _refused(admission: Admission) -> Failure:
    message = f"the workflow is refused: {admission.reason or 'too much is asked for'}"
    return Failure("overloaded", message, retry_after=admission.retry_after)
