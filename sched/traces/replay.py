"""A trace's workflow as it is run again: which of its calls may start now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sched.traces.trace_format import TraceCall, TraceWorkflow


class WorkflowReplay:
    """Follows the dependencies of one workflow.

    With ``early_ending``, a join of which enough branches have ended needs no others: those calls are
    skipped.
    """

    def __init__(self, workflow: TraceWorkflow, *, early_ending: bool = False) -> None:
        self.workflow = workflow
        self._calls = {call.id: call for call in workflow.calls}
        self._missing = {call.id: len(call.after) for call in workflow.calls}
        self._followers: dict[int, list[TraceCall]] = defaultdict(list)
        self._left: dict[tuple[str, int], int] = defaultdict(int)
        self._open = len(workflow.calls)
        self._over: set[int] = set()
        self._enough = dict(workflow.decided) if early_ending else {}
        for call in workflow.calls:
            for before in call.after:
                self._followers[before].append(call)
            if call.join is not None:
                self._left[call.join, call.branch] += 1
        self._join_sizes = {c.join: workflow.branches(c.join) for c in workflow.calls if c.join}
        self._last = {(c.join, c.branch): c.id for c in workflow.calls}

    @property
    def done(self) -> bool:
        """Whether all calls have ended or were skipped."""
        return self._open == 0

    def join_size(self, call: TraceCall) -> int:
        """Return the branches of the call's join, 1 if it has none."""
        return self._join_sizes[call.join] if call.join else 1

    def ends_branch(self, call: TraceCall) -> bool:
        """Return whether ``call`` is the last of its branch."""
        return call.join is not None and self._last[call.join, call.branch] == call.id

    def first(self) -> list[TraceCall]:
        """Return the calls that may start at once."""
        return [call for call in self.workflow.calls if not call.after]

    def end(self, call: TraceCall) -> tuple[list[TraceCall], list[TraceCall]]:
        """Note that ``call`` ended, its SQL included; return the calls that may start, and those to skip.

        Skipped calls may be running: cancel them.
        """
        ready = self._close([call])
        skipped: list[TraceCall] = []
        if call.join is not None:
            self._left[call.join, call.branch] -= 1
            skipped = self._decide(call.join)
            ready += self._close(skipped)
        return [c for c in ready if c.id not in self._over], skipped

    def _decide(self, join: str) -> list[TraceCall]:
        ended = sum(left == 0 for (name, _), left in self._left.items() if name == join)
        if ended < self._enough.get(join, self._join_sizes[join]):
            return []
        return [c for c in self.workflow.calls if c.join == join and c.id not in self._over]

    def _close(self, calls: Iterable[TraceCall]) -> list[TraceCall]:
        ready = []
        for call in calls:
            self._over.add(call.id)
            self._open -= 1
            for follower in self._followers[call.id]:
                self._missing[follower.id] -= 1
                if self._missing[follower.id] == 0:
                    ready.append(follower)
        return ready
