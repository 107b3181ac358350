"""How long a workflow will take from its arrival to its end, at the load that it meets."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from sched.predict.bounded import BoundedTable
from sched.predict.speed import stretched
from sched.request import Workflow
from sched.runtime import RuntimeState

_ARRIVAL_WEIGHT = 0.05
"""Weight of what one arrival meets in the mean number of calls per open workflow."""
_END_WEIGHT = 0.02
"""Weight of one ended workflow."""
_LEAST_SEEN = 3
"""Fewer ended workflows of a kind say too little."""
_BELIEF = 0.2
"""Variance of log SLO that is believed to be one of lengths, too, before anything is learned."""
_USUAL = 6.0
"""Standard deviations of log SLO above which an SLO is unusually loose."""
MOST_KINDS = 256
"""Workflow kinds remembered."""


class Crowd:
    """How many times slower than alone calls will run, by what arrivals met so far.

    The calls in flight at one moment say too little: a workflow that has just begun has one and will soon
    have many.  So the workflows that are open are counted, and multiplied by the mean number of calls that an
    open workflow has, as arrivals saw it (which is its mean over time, if they come independently).
    """

    def __init__(self) -> None:
        self._arrivals = 0
        self._calls = self._workflows = 0.0

    def slowdown(self, others: int, runtimes: Collection[RuntimeState], now: float) -> float:
        """Return the slowdown, at least 1, with one workflow more than the ``others`` that are open."""
        calls = sum(r.load.running + r.load.waiting for r in runtimes)
        self._arrivals += 1
        weight = max(_ARRIVAL_WEIGHT, 1 / self._arrivals)
        self._calls += weight * (calls - self._calls)
        self._workflows += weight * (others - self._workflows)
        if not calls or not self._workflows:
            return 1.0
        growth = max(1.0, self._calls / self._workflows * (others + 1) / calls)
        alone = sum(r.lone_decode_seconds for r in runtimes) / len(runtimes)
        return max(1.0, sum(_step_seconds(r, growth, now) for r in runtimes) / calls / alone)


def _step_seconds(runtime: RuntimeState, growth: float, now: float) -> float:
    """Return the sum of its calls' seconds per token on a runtime that has ``growth`` times as many."""
    load = runtime.load
    calls, context = load.running + load.waiting, load.running_context + load.waiting_context
    step = runtime.latency.step_seconds(max(1.0, growth * calls), growth * context)
    return calls * stretched(step, runtime.stall_share(now))


class _Lengths:
    """A decayed regression of the logarithm of a workflow's seconds without slowdown on that of its SLO.

    Some clients give long workflows more time, others give all the same: the slope, from 0 to 1, tells.  It
    begins at 1, and an unusually loose SLO counts as a usual one, so that neither a tight nor a loose
    deadline is refused for being unlike those before it.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._slo = self._seconds = self._variance = self._covariance = 0.0

    def observe(self, slo: float, seconds: float) -> None:
        self.seen += 1
        weight = max(_END_WEIGHT, 1 / self.seen)
        slo, seconds = slo - self._slo, seconds - self._seconds
        self._slo += weight * slo
        self._seconds += weight * seconds
        self._variance += weight * ((1 - weight) * slo * slo - self._variance)
        self._covariance += weight * ((1 - weight) * slo * seconds - self._covariance)

    def at(self, slo: float) -> float:
        slope = (_BELIEF + self._covariance) / (_BELIEF + self._variance)
        beyond = min(slo - self._slo, _USUAL * math.sqrt(self._variance))
        return self._seconds + min(1.0, max(0.0, slope)) * beyond


class Sojourns:
    """Expected seconds of workflows with a firm deadline, per kind, from those that ended before.

    What a workflow took, over the slowdown predicted at its arrival, is what one without slowdown is taken
    to need: errors in the slowdown that all share cancel out.  One that was ended at its deadline counts as
    if it had taken just so long, or else nothing would be learned while all are late.
    """

    def __init__(self) -> None:
        self._crowd = Crowd()
        self._kinds = BoundedTable[str, _Lengths](MOST_KINDS)

    def opened(self, workflow: Workflow, others: int, runtimes: Collection[RuntimeState], now: float) -> None:
        """Write a workflow's ``slowdown`` and ``expected_seconds``; ``others`` are open beside it."""
        workflow.slowdown = self._crowd.slowdown(others, runtimes, now)
        lengths = self._kinds.get(workflow.spec.kind)
        if lengths is not None and lengths.seen >= _LEAST_SEEN and workflow.spec.slo_seconds > 0:
            alone = math.exp(lengths.at(math.log(workflow.spec.slo_seconds)))
            workflow.expected_seconds = alone * workflow.slowdown

    def ended(self, workflow: Workflow, now: float) -> None:
        """Learn from a workflow that finished, or was ended as late."""
        spec, seconds = workflow.spec, now - workflow.arrival
        if not spec.firm or spec.slo_seconds <= 0 or seconds <= 0:
            return
        lengths = self._kinds[spec.kind] = self._kinds.get(spec.kind) or _Lengths()
        lengths.observe(math.log(spec.slo_seconds), math.log(seconds / workflow.slowdown))


def drain_seconds(workflows: Iterable[Workflow], excess: float, now: float) -> float:
    """Return the seconds until a share ``excess`` of the open ``workflows``, at least one, are expected to
    have ended: 0 without any, or if so many are overdue."""
    ends = sorted(w.arrival + (w.expected_seconds or w.base_seconds * w.slowdown) for w in workflows)
    if not ends:
        return 0.0
    leaving = min(len(ends), max(1, math.ceil(excess * len(ends))))
    return max(0.0, ends[leaving - 1] - now)
