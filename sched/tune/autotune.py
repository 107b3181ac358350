"""Tuning while work goes on: when to try, on what, and what to make of it.

The live controller and the simulation of a shifting load (``launch/lab/shift_cli.py``) use the same class.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sched.traces.trace_format import TraceWorkflow
from sched.tune.tuner import Knobs, PolicySetting, Sample, SettingOutcome, TuningVerdict, improve

_KEPT_CHANGES = 50
_RING = 4
"""Arrivals kept, as a multiple of those replayed."""
_SHIFT = 1.8
"""The rate has shifted once it is higher or lower by this factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutotuneOptions:
    """``period_seconds``: between rounds; ``least_seconds``: even if the load shifts.  ``workflows``: how
    many to come a setting is judged by, after at most as many of the past; fewer than ``least_workflows``
    finished ones are too few to go by.  ``late``: arrivals that tell the present rate.  ``samples``: one to
    search with, the others to confirm what it finds."""

    period_seconds: float = 60.0
    least_seconds: float = 15.0
    workflows: int = 80
    least_workflows: int = 40
    late: int = 20
    samples: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """A setting that took another's place at ``at`` seconds; ``gain``: by which the tail should shrink."""

    at: float
    before: str
    after: str
    gain: float
    reason: str


class Recent:
    """The latest workflows: a bounded ring of arrivals, and the calls of those that have ended."""

    def __init__(self, options: AutotuneOptions) -> None:
        self._options = options
        self._arrivals: deque[tuple[float, str]] = deque(maxlen=_RING * options.workflows)
        self._ended: dict[str, TraceWorkflow] = {}
        self._judged = (-math.inf, math.inf)

    def arrived(self, workflow_id: str, at: float) -> None:
        """Note an arrival at ``at`` seconds."""
        if len(self._arrivals) == self._arrivals.maxlen:
            self._ended.pop(self._arrivals[0][1], None)
        self._arrivals.append((at, workflow_id))

    def ended(self, workflow: TraceWorkflow) -> None:
        """Note what a finished workflow asked for."""
        if any(name == workflow.id for _, name in self._arrivals):
            self._ended[workflow.id] = workflow

    def due(self, now: float) -> bool:
        """Return whether it is time for a round: work came since the last one, and the period is over or it
        comes at another rate."""
        at, gap = self._judged
        if not self._arrivals or self._arrivals[-1][0] <= at:
            return False
        if now - at >= self._options.period_seconds:
            return True
        change = self._gap(now) / gap
        return now - at >= self._options.least_seconds and not 1 / _SHIFT < change < _SHIFT

    def samples(self, now: float) -> list[Sample]:
        """Return samples of what is to come, from 0 seconds on; none if too few workflows have ended.

        First the latest arrivals as they were, from the oldest that hasn't ended on: they make the load that
        is there, and aren't counted.  Then workflows at the recent rate.  Those that haven't ended, or are
        still to come, are represented by ones that have ended, in each sample by others.
        """
        known = [self._ended[name] for _, name in self._arrivals if name in self._ended]
        if len(known) < self._options.least_workflows:
            return []
        self._judged = now, self._gap(now)
        past = self._under_way()
        begin = past[0][0] if past else now
        rng = random.Random(len(known))
        found = []
        for _ in range(self._options.samples):
            sample = [(self._ended.get(name) or rng.choice(known), at) for at, name in past]
            at = now
            for _ in range(self._options.workflows):
                at += rng.expovariate(1 / self._judged[1])
                sample.append((rng.choice(known), at))
            moved = [_moved(w, i, at - begin) for i, (w, at) in enumerate(sample)]
            found.append(Sample(moved, len(past)))
        return found

    def _gap(self, now: float) -> float:
        """Return the mean seconds between the latest arrivals, the present silence included."""
        late = list(self._arrivals)[-self._options.late :]
        return max(1e-3, (now - late[0][0]) / len(late)) if late else math.inf

    def _under_way(self) -> list[tuple[float, str]]:
        """Return the latest arrivals from the oldest that hasn't ended on, a bounded number."""
        latest = list(self._arrivals)[-self._options.workflows :]
        oldest = next((i for i, (_, name) in enumerate(latest) if name not in self._ended), len(latest))
        return latest[oldest:]


def _moved(workflow: TraceWorkflow, number: int, arrival: float) -> TraceWorkflow:
    return workflow.model_copy(update={"id": f"{number}", "arrival": arrival, "slo_seconds": None})


class Autotuner:
    """Keeps a policy's setting fit for the recent workflows.

    A round replays them for the present setting, its neighbours, the one before and the first one; another
    takes over if it promises a clear gain, also on samples that it wasn't found with
    (``sched/tune/tuner.py``). So every change can be taken back.
    """

    def __init__(self, first: PolicySetting, knobs: Knobs) -> None:
        self.present = first
        self.rounds = 0
        self.changes: deque[SettingChange] = deque(maxlen=_KEPT_CHANGES)
        self._knobs = knobs
        self._first = self._before = first

    def search(
        self,
        evaluate: Callable[[PolicySetting], SettingOutcome],
        confirm: Callable[[PolicySetting], SettingOutcome] | None = None,
    ) -> TuningVerdict:
        """Return what a round finds; changes nothing, so it may run in another process."""
        return improve(self.present, self._knobs, evaluate, self.returns, confirm)

    @property
    def returns(self) -> Sequence[PolicySetting]:
        """The settings that may be gone back to."""
        return list({str(s): s for s in (self._before, self._first)}.values())

    def judge(self, verdict: TuningVerdict, now: float) -> SettingChange | None:
        """Take a round's verdict over; return the change, if it asks for one."""
        self.rounds += 1
        if verdict.present.setting != self.present or verdict.chosen == self.present:
            return None
        return self._change(verdict.chosen, verdict.gain, now, f"{verdict.evaluated} settings replayed")

    def revert(self, now: float, reason: str) -> SettingChange | None:
        """Go back to the setting before the latest change; ``None`` if there was none."""
        return None if self._before == self.present else self._change(self._before, 0.0, now, reason)

    def _change(self, setting: PolicySetting, gain: float, now: float, reason: str) -> SettingChange:
        self._before, self.present = self.present, setting
        change = SettingChange(at=now, before=str(self._before), after=str(setting), gain=gain, reason=reason)
        self.changes.append(change)
        return change
