"""What became of the calls and workflows of a replay.  All times are seconds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sched.sim.figures import CallRecord, Outcome, Recording, WorkflowTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """A call.  ``ready``, when it could be sent, and ``sent`` count from the run's begin; ``seconds`` from
    ready to its end.

    ``queue_seconds`` (before its prefill began, wherever it waited), ``first_token_seconds`` (both from
    ready) and ``predicted_cached_tokens`` are ``None`` where the server doesn't tell; ``runtime`` is empty
    then.  ``error``: why it failed.
    """

    stage: str
    call: int
    ready: float
    sent: float
    seconds: float
    runtime: str = ""
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    predicted_cached_tokens: int | None = None
    output_tokens: int = 0
    error: str | None = None

    def record(self) -> CallRecord:
        """Return it in the simulator's terms; what is unknown is nan."""
        predicted = self.predicted_cached_tokens
        return CallRecord(
            stage=self.stage,
            runtime=self.runtime,
            queue_seconds=_known(self.queue_seconds),
            first_token_seconds=_known(self.first_token_seconds),
            seconds=self.seconds,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            predicted_cached_tokens=self.cached_tokens if predicted is None else predicted,
            output_tokens=self.output_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowOutcome:
    """A workflow.  ``arrival``: as scheduled, from the run's begin; ``seconds``: from then to its end,
    however late it was sent.  ``base_seconds``: its expected time alone.  ``error``: why it failed."""

    id: str
    arrival: float
    seconds: float
    base_seconds: float
    error: str | None = None
    calls: Sequence[CallOutcome] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorkflowOutcome:
        """Return what :meth:`as_dict` made.

        Raises:
            TypeError: it is something else.
        """
        calls = tuple(CallOutcome(**call) for call in data["calls"])
        return cls(**{**data, "calls": calls})

    def record(self) -> WorkflowTimes:
        """Return it in the simulator's terms."""
        return WorkflowTimes(
            id=self.id,
            arrival=self.arrival,
            seconds=self.seconds,
            base_seconds=self.base_seconds,
            outcome=Outcome.FAILED if self.error is not None else Outcome.FINISHED,
            calls=[call.record() for call in self.calls if call.error is None],
        )


def recording(workflows: Sequence[WorkflowOutcome]) -> Recording:
    """Return a replay in the simulator's terms, for ``sched.sim.figures.summarise``."""
    return Recording([w.record() for w in sorted(workflows, key=lambda w: (w.arrival, w.id))], [])


def errors(workflows: Sequence[WorkflowOutcome]) -> dict[str, int]:
    """Return how many workflows failed, by reason."""
    return dict(sorted(Counter(w.error for w in workflows if w.error is not None).items()))


def sending_lag(workflows: Sequence[WorkflowOutcome]) -> float:
    """Return by how much the client itself sent a call late, at most."""
    return max((call.sent - call.ready for w in workflows for call in w.calls), default=0.0)


def _known(seconds: float | None) -> float:
    return math.nan if seconds is None else seconds
