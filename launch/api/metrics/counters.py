"""What ``/metrics`` counts under our own names, ``sluice_*``: the only place that counts.

No label holds an id, and names that clients choose are bounded: the label ``stage`` has the stages of the
Text-to-SQL workflow, then the first others that come, then ``other``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from engine.controller.calls import PendingCall
from engine.controller.timeline import WorkflowRecord
from launch.api.timing import Timing
from sched.clock import monotonic
from sched.request import State
from sched.workflow import SqlBackend, SqlResult

MAX_STAGES = 64
OTHER = "other"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_CONTROLLER_SECONDS = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.5)

disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series


_M = TypeVar("_M", bound=MetricWrapperBase)


class _Series(dict[str | tuple[str, ...], _M], Generic[_M]):
    """The series of a metric by their label or labels; the metric's own look-up takes a lock."""

    def __init__(self, metric: _M) -> None:
        self._metric: _M = metric

    def __missing__(self, labels: str | tuple[str, ...]) -> _M:
        series: _M = self._metric.labels(*((labels,) if isinstance(labels, str) else labels))
        self[labels] = series
        return series


class Meters:
    """Counters and histograms in ``registry``; an ``engine.controller.timeline_observers.TimelineObserver``.

    ``stages`` are names that must keep a label of their own.
    """

    def __init__(self, stages: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._stages = {name: name for name in stages}
        counter, seconds = self._counter, self._seconds
        self._workflows = counter("workflows", "Workflows that ended.", "kind", "outcome", "deadline")
        self._workflow_seconds = seconds("workflow_seconds", "From a workflow's arrival to its end.", "kind")
        self._calls = counter("calls", "LLM calls that ended.", "stage", "outcome")
        self._waited = seconds("call_waited_seconds", "From ready until sent to a runtime.", "stage")
        self._ttft = seconds("call_ttft_seconds", "From ready until the first token.", "stage")
        self._total = seconds("call_seconds", "From ready until finished.", "stage")
        text = "Tokens of finished calls: prompt (cached ones included), cached, output."
        self._tokens = counter("tokens", text, "stage", "type")
        text = "Calls sent to a runtime, repeated attempts included, by the policy that placed them."
        self._placements = counter("placements", text, "policy", "runtime")
        text = "Service time that was predicted for finished calls."
        self._predicted = counter("predicted_service_seconds", text, "runtime")
        text = "Their real service time: from the worker's receipt to the end, SGLang's queue included."
        self._served = counter("service_seconds", text, "runtime")
        text = "Absolute difference of the two, per call."
        self._error = seconds("prediction_error_seconds", text, "runtime")
        text = "SQL statements, waiting included, by outcome: ok, cancelled or the kind of error."
        self._sql = seconds("sql_seconds", text, "outcome")
        text = "HTTP responses begun; 429 and 503 are refusals, 499 clients that left."
        self._responses = counter("http_responses", text, "path", "status")
        text = (
            "The controller's own work on a /generate call: dispatch (from its arrival), answer (to its end)."
        )
        self._controller = seconds("controller_seconds", text, "phase", buckets=_CONTROLLER_SECONDS)

    def _counter(self, name: str, text: str, *labels: str) -> _Series[Counter]:
        return _Series(Counter(f"sluice_{name}", text, labels, registry=self.registry))

    def _seconds(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = _SECONDS
    ) -> _Series[Histogram]:
        return _Series(Histogram(f"sluice_{name}", text, labels, buckets=buckets, registry=self.registry))

    # --- engine.controller.timeline_observers.TimelineObserver -------------------------------------------

    def call_sent(self, call: PendingCall) -> None:
        """Count a placement."""
        entry = call.entry
        if entry.decision is not None:
            self._placements[entry.decision.placement, entry.runtime or OTHER].inc()

    def call_settled(self, call: PendingCall) -> None:
        """Count a call with its times and tokens."""
        entry = call.entry
        stage = self._stage(entry.stage)
        self._calls[stage, str(entry.state)].inc()
        if entry.waited_seconds is not None:
            self._waited[stage].observe(entry.waited_seconds)
        if entry.ttft_seconds is not None:
            self._ttft[stage].observe(entry.ttft_seconds)
        if entry.state != State.FINISHED or call.answer is None:
            return
        self._total[stage].observe(entry.total_seconds or 0.0)
        self._tokens[stage, "prompt"].inc(entry.prompt_tokens)
        self._tokens[stage, "cached"].inc(entry.cached_tokens or 0)
        self._tokens[stage, "output"].inc(entry.output_tokens or 0)
        if entry.decision is not None:
            predicted, real = entry.decision.predicted_seconds, call.answer.total_seconds
            runtime = entry.runtime or OTHER
            self._predicted[runtime].inc(predicted)
            self._served[runtime].inc(real)
            self._error[runtime].observe(abs(predicted - real))

    def workflow_settled(self, record: WorkflowRecord) -> None:
        """Count a workflow."""
        deadline = "met" if record.deadline_met else "missed"
        self._workflows[record.spec.kind, str(record.state), deadline].inc()
        self._workflow_seconds[record.spec.kind].observe(record.seconds or 0.0)

    def close(self) -> None:
        """Nothing is open."""

    # --- HTTP and SQL ---------------------------------------------------------------------------

    def responded(self, path: str, status: int) -> None:
        """Count a response; ``path`` is the route's template."""
        self._responses[path, str(status)].inc()

    def answered(self, timing: Timing) -> None:
        """Note what a call cost the controller."""
        self._controller["dispatch"].observe(timing.dispatch)
        self._controller["answer"].observe(timing.answer)

    def statement(self, outcome: str, seconds: float) -> None:
        """Note an SQL statement; ``outcome`` is ``ok``, ``cancelled`` or the kind of its error."""
        self._sql[outcome].observe(seconds)

    def _stage(self, name: str) -> str:
        if name not in self._stages and len(self._stages) < MAX_STAGES:
            self._stages[name] = name
        return self._stages.get(name, OTHER)


class MeteredSql:
    """The ``SqlBackend`` ``sql`` with its statements noted in ``meters``."""

    def __init__(self, sql: SqlBackend, meters: Meters) -> None:
        self._sql = sql
        self._meters = meters

    async def execute(
        self, database: str, statement: str, timeout_seconds: float, *, slack_seconds: float = math.inf
    ) -> SqlResult:
        """Run ``statement``; see ``sched.workflow.SqlBackend``."""
        started = monotonic()
        outcome = "cancelled"
        try:
            result = await self._sql.execute(
                database, statement, timeout_seconds, slack_seconds=slack_seconds
            )
            outcome = "ok" if result.ok else result.error_kind or OTHER
            return result
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._meters.statement(outcome, monotonic() - started)
