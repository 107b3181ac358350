"""What the server's latest workflows asked for, as traces to replay: a bounded ring in memory."""

from __future__ import annotations

from engine.controller.calls import PendingCall
from engine.controller.recording.recorded import MOST_CALLS, EndedCall, EndedWorkflow, trace_workflow
from engine.controller.recording.sharing import Outline, Sharing
from engine.controller.timeline import WorkflowRecord
from sched.tune.autotune import Recent


class RecentWorkflows:
    """Feeds ``recent`` with the arrivals and ends of workflows; an
    ``engine.controller.timeline_observers.TimelineObserver``."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent
        self._sharing = Sharing()
        self._calls: dict[str, list[EndedCall]] = {}

    def call_sent(self, call: PendingCall) -> None:
        """Note a workflow with its first call."""
        name = call.record.spec.workflow_id
        if name not in self._calls:
            self._calls[name] = []
            self._recent.arrived(name, call.record.arrival)

    def call_settled(self, call: PendingCall) -> None:
        """Keep a call until its workflow ends."""
        calls = self._calls.get(call.record.spec.workflow_id)
        if calls is not None and len(calls) < MOST_CALLS:
            calls.append(EndedCall.of(call)(Outline.of(call.request.prompt)))

    def workflow_settled(self, record: WorkflowRecord) -> None:
        """Turn a finished workflow into a trace's."""
        name = record.spec.workflow_id
        calls, ended = self._calls.pop(name, []), EndedWorkflow.of(record)
        if ended is not None:
            made = trace_workflow(name, ended, calls, ended.started_at, self._sharing)
            if made is not None:
                self._recent.ended(made)

    def close(self) -> None:
        """Nothing is open."""
