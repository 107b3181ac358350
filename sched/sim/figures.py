"""What a run brought, in figures."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sched.decisions import WorkflowSettled
from sched.errors import DeadlineError
from sched.request import State

ATTAINMENT = 0.95
WARM_UP = 0.1
"""The first share of the workflows is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A finished call.  ``queue_seconds``: from ready to the start of its prefill, wherever it waited;
    ``first_token_seconds`` and ``seconds`` also from ready;
    ``ended_at``: seconds from the run's start."""

    stage: str
    runtime: str
    queue_seconds: float
    first_token_seconds: float
    seconds: float
    prompt_tokens: int
    cached_tokens: int
    predicted_cached_tokens: int
    output_tokens: int
    ended_at: float = 0.0


class Outcome(StrEnum):
    """How a workflow ended: well or not, refused at its arrival, or dropped since it was late."""

    FINISHED = "finished"
    FAILED = "failed"
    REFUSED = "refused"
    DROPPED = "dropped"

    @classmethod
    def of(cls, settled: WorkflowSettled) -> Outcome:
        """Return how a workflow of the dispatcher's ended."""
        if settled.state is State.FINISHED:
            return cls.FINISHED
        if settled.state is State.REJECTED:
            return cls.REFUSED
        late = settled.failure is not None and settled.failure.code == DeadlineError.code
        return cls.DROPPED if late else cls.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTimes:
    """A workflow that ended; ``base_seconds`` is its expected time alone (``sched/sim/bounds.py``)."""

    id: str
    arrival: float
    seconds: float
    base_seconds: float
    outcome: Outcome = Outcome.FINISHED
    calls: list[CallRecord] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether there was no answer."""
        return self.outcome is not Outcome.FINISHED

    @property
    def stretch(self) -> float:
        """Seconds over expected seconds, infinite without an answer."""
        return math.inf if self.failed else self.seconds / self.base_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRecord:
    """What a runtime did in the whole run."""

    name: str
    busy_seconds: float
    retractions: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A run: workflows by arrival."""

    workflows: list[WorkflowTimes]
    runtimes: list[RuntimeRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    """Mean figures of a stage's calls."""

    calls: int
    queue_seconds: float
    queue_p95_seconds: float
    first_token_seconds: float
    seconds: float
    hit_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in figures; seconds, workflows per second, shares.

    Percentiles and the mean are of workflows that were not ``refused`` or ``dropped`` (counts).
    ``attainment``: the share of all that meets the SLO of scale S.  ``scale``: the smallest S that 95 % meet.
    ``goodput``: workflows per second that meet it.  ``mispredicted_cache_tokens``: mean difference per
    call between believed and real cached tokens.
    """

    workflows: int
    failed: int
    refused: int
    dropped: int
    p50: float
    p95: float
    p99: float
    mean: float
    attainment: float
    scale: float
    goodput: float
    hit_rate: float
    mispredicted_cache_tokens: float
    retractions: int
    stages: dict[str, StageSummary]
    busy: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a figure that is not finite becomes ``None``."""
        return {k: _finite(v) for k, v in asdict(self).items()}


def _finite(figure: Any) -> Any:
    return None if isinstance(figure, float) and not math.isfinite(figure) else figure


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of ``values`` that at least ``share`` of them don't exceed (nan if empty)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] if ordered else math.nan


def summarise(recording: Recording, slo_scale: float, warm_up: float = WARM_UP) -> Summary:
    """Return the figures of a run at the SLO scale; the first ``warm_up`` share is not counted."""
    counted = recording.workflows[int(len(recording.workflows) * warm_up) :]
    outcomes = Counter(w.outcome for w in counted)
    shed = (Outcome.REFUSED, Outcome.DROPPED)
    seconds = [math.inf if w.failed else w.seconds for w in counted if w.outcome not in shed]
    met = sum(w.stretch <= slo_scale for w in counted)
    span = counted[-1].arrival - counted[0].arrival if len(counted) > 1 else 0.0
    calls = [call for workflow in counted for call in workflow.calls]
    end = max((w.arrival + w.seconds for w in recording.workflows), default=0.0)
    return Summary(
        workflows=len(counted),
        failed=outcomes[Outcome.FAILED],
        refused=outcomes[Outcome.REFUSED],
        dropped=outcomes[Outcome.DROPPED],
        p50=percentile(seconds, 0.5),
        p95=percentile(seconds, 0.95),
        p99=percentile(seconds, 0.99),
        mean=_mean(seconds),
        attainment=met / max(1, len(counted)),
        scale=percentile([w.stretch for w in counted], ATTAINMENT),
        goodput=met / span if span > 0 else 0.0,
        hit_rate=_hit_rate(calls),
        mispredicted_cache_tokens=_mean([abs(c.predicted_cached_tokens - c.cached_tokens) for c in calls]),
        retractions=sum(r.retractions for r in recording.runtimes),
        stages=_stages(calls),
        busy={r.name: r.busy_seconds / end if end else 0.0 for r in recording.runtimes},
    )


def _stages(calls: Sequence[CallRecord]) -> dict[str, StageSummary]:
    by_stage: dict[str, list[CallRecord]] = defaultdict(list)
    for call in calls:
        by_stage[call.stage].append(call)
    return {
        stage: StageSummary(
            calls=len(mine),
            queue_seconds=_mean([c.queue_seconds for c in mine]),
            queue_p95_seconds=percentile([c.queue_seconds for c in mine], 0.95),
            first_token_seconds=_mean([c.first_token_seconds for c in mine]),
            seconds=_mean([c.seconds for c in mine]),
            hit_rate=_hit_rate(mine),
        )
        for stage, mine in sorted(by_stage.items())
    }


def _hit_rate(calls: Sequence[CallRecord]) -> float:
    return sum(c.cached_tokens for c in calls) / max(1, sum(c.prompt_tokens for c in calls))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
