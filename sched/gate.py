"""The door: workflows pass the admission policy when they arrive, and leave when they are too late."""

from __future__ import annotations

from collections.abc import Collection

from sched.errors import DeadlineError, Failure
from sched.policy import Admission, AdmissionPolicy
from sched.predict.sojourn import drain_seconds
from sched.request import Workflow
from sched.runtime import RuntimeState

_RETRY_SECONDS = (1.0, 600.0)


class Gate:
    """Asks the admission policy, if there is one.  ``workflows`` are the open ones."""

    def __init__(self, policy: AdmissionPolicy | None, workflows: Collection[Workflow]) -> None:
        self._policy = policy
        self._workflows = workflows

    def refusal(
        self, workflow: Workflow, runtimes: Collection[RuntimeState], now: float, most_open: int
    ) -> Failure | None:
        """Return why a workflow is not served, ``None`` if it is.

        More than ``most_open`` are open with it, or the policy refuses it; a policy's fault costs that
        workflow.
        """
        if len(self._workflows) > most_open:
            return self.full("workflows are open", now)
        if self._policy is None:
            return None
        try:
            admission = self._policy.admit(workflow, list(runtimes), now)
        except Exception as error:
            return Failure("internal_error", f"the admission policy failed: {error!r}")
        return None if admission.admitted else self._refused(admission, workflow, now)

    def full(self, of: str, now: float) -> Failure:
        """Return why nothing more is accepted if too many ``of`` something are there."""
        message = f"too many {of}; try again later"
        return Failure("overloaded", message, retry_after=_bounded(drain_seconds(self._workflows, 0.0, now)))

    def too_late(self, workflow: Workflow, now: float) -> Failure | None:
        """Return why a workflow is to end before another of its calls is sent, ``None`` if it may go on."""
        firm = workflow.spec.firm and self._policy is not None and self._policy.ends_late
        if not firm or now <= workflow.deadline:
            return None
        message = f"the deadline has passed, {workflow.spec.slo_seconds:g} s after the workflow began"
        return Failure(DeadlineError.code, f"{message}: give more time, or no deadline")

    def candidates(
        self, workflow: Workflow | None, wanted: int, runtimes: Collection[RuntimeState], now: float
    ) -> int:
        """Return how many of ``wanted`` alternative answers a workflow had better write: 1 to ``wanted``."""
        if self._policy is None or workflow is None:
            return wanted
        advised = self._policy.candidates(workflow, wanted, list(runtimes), now)
        return max(1, min(wanted, advised))

    def _refused(self, admission: Admission, workflow: Workflow, now: float) -> Failure:
        message = f"the workflow is refused: {admission.reason or 'too much is asked for'}"
        wait = admission.retry_after
        if wait is None:
            others = (other for other in self._workflows if other is not workflow)
            wait = _bounded(drain_seconds(others, admission.excess, now))
        return Failure("overloaded", message, retry_after=wait)


def _bounded(seconds: float) -> float:
    least, most = _RETRY_SECONDS
    return min(most, max(least, seconds))
