"""Tuning while work goes on: when to try, on what, and what to make of it.

The live controller and the simulation of a shifting load (``launch/shift.py``) use the same class.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sched.trace import TraceWorkflow
from sched.tuner import Knobs, Outcome, Setting, Verdict, improve

_KEPT_CHANGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AutotuneOptions:
    """``period_seconds``: between rounds.  ``workflows``: how many of the latest are replayed (so the faster
    they come, the shorter the time looked back on); fewer than ``least_workflows`` finished ones are too few
    to go by.  ``samples``: replays per setting."""

    period_seconds: float = 30.0
    workflows: int = 100
    least_workflows: int = 40
    samples: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A setting that took another's place at ``at`` seconds; ``gain``: by which the tail should shrink."""

    at: float
    before: str
    after: str
    gain: float
    reason: str


class Recent:
    """The workflows of late: a bounded ring of arrivals, and of those that have ended what they asked for."""

    def __init__(self, options: AutotuneOptions) -> None:
        self._options = options
        self._arrivals: deque[tuple[float, str]] = deque(maxlen=3 * options.workflows)
        self._ended: dict[str, TraceWorkflow] = {}

    def arrived(self, workflow_id: str, at: float) -> None:
        """Note an arrival at ``at`` seconds."""
        if len(self._arrivals) == self._arrivals.maxlen:
            self._ended.pop(self._arrivals[0][1], None)
        self._arrivals.append((at, workflow_id))

    def ended(self, workflow: TraceWorkflow) -> None:
        """Note what a finished workflow asked for."""
        if any(name == workflow.id for _, name in self._arrivals):
            self._ended[workflow.id] = workflow

    def samples(self) -> list[list[TraceWorkflow]]:
        """Return the latest workflows as samples to replay, from 0 seconds on; none if too few have ended.

        In the first one every workflow stands where it arrived; one that hasn't ended yet is stood for by
        another that has: left out, a rising load would look low.  In further ones all are, so that no
        setting wins by the luck of one order.
        """
        window = list(self._arrivals)[-self._options.workflows :]
        known = [self._ended[name] for _, name in self._arrivals if name in self._ended]
        if len(known) < self._options.least_workflows:
            return []
        known = known[-self._options.workflows :]
        rng = random.Random(len(self._arrivals))
        return [
            [
                _moved((None if again else self._ended.get(name)) or rng.choice(known), i, at - window[0][0])
                for i, (at, name) in enumerate(window)
            ]
            for again in range(self._options.samples)
        ]


def _moved(workflow: TraceWorkflow, number: int, arrival: float) -> TraceWorkflow:
    return workflow.model_copy(update={"id": f"{number}", "arrival": arrival, "slo_seconds": None})


class Autotuner:
    """Keeps a policy's setting fit for the workflows of late.

    A round replays them for the present setting, its neighbours, the one before and the first one; another
    takes over if it promises a clear gain (``sched/tuner.py``).  So every change can be taken back.
    """

    def __init__(self, first: Setting, knobs: Knobs) -> None:
        self.present = first
        self.rounds = 0
        self.changes: deque[Change] = deque(maxlen=_KEPT_CHANGES)
        self._knobs = knobs
        self._first = self._before = first

    def search(self, evaluate: Callable[[Setting], Outcome]) -> Verdict:
        """Return what a round finds; changes nothing, so it may run in another process."""
        return improve(self.present, self._knobs, evaluate, self.returns)

    @property
    def returns(self) -> Sequence[Setting]:
        """The settings that may be gone back to."""
        return list({str(s): s for s in (self._before, self._first)}.values())

    def judge(self, verdict: Verdict, now: float) -> Change | None:
        """Take a round's verdict over; return the change, if it asks for one."""
        self.rounds += 1
        if verdict.present.setting != self.present or verdict.chosen == self.present:
            return None
        return self._change(verdict.chosen, verdict.gain, now, f"{verdict.evaluated} settings replayed")

    def revert(self, now: float, reason: str) -> Change | None:
        """Go back to the setting before the latest change; ``None`` if there was none."""
        return None if self._before == self.present else self._change(self._before, 0.0, now, reason)

    def _change(self, setting: Setting, gain: float, now: float, reason: str) -> Change:
        self._before, self.present = self.present, setting
        change = Change(at=now, before=str(self._before), after=str(setting), gain=gain, reason=reason)
        self.changes.append(change)
        return change
