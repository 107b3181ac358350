"""The dispatcher's book of open workflows, joins and calls, and their time limits."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace

from sched.decisions import WorkflowSettled
from sched.errors import Failure
from sched.events import JoinOpened
from sched.predict.stage_profile import StageProfile
from sched.request import Call, CallSpec, Join, State, Workflow, WorkflowSpec, advance

_SPENT_EXPIRIES = 256
"""Time limits of calls that are over, so many of which may lie there beyond as many as calls are open."""


class Book:
    """Opens and closes workflows and calls; knows what is over its time limit.

    ``ttl_seconds`` ends a workflow without open calls of which nothing was heard for so long, so that
    one abandoned by its client isn't kept for ever; ``WorkflowSpec.silence_seconds`` comes before it.
    """

    def __init__(self, profile: StageProfile, ttl_seconds: float) -> None:
        self.workflows: dict[str, Workflow] = {}
        self.calls: dict[int, Call] = {}
        self._profile = profile
        self._ttl_seconds = ttl_seconds
        self._expiries: list[tuple[float, int]] = []

    def open_workflow(self, spec: WorkflowSpec, now: float) -> Workflow:
        """Begin a workflow and return it.

        Raises:
            ValueError: the id is in use.
        """
        if spec.workflow_id in self.workflows:
            raise ValueError(f"workflow {spec.workflow_id!r} is already open")
        workflow = self.workflows[spec.workflow_id] = Workflow(
            spec=spec,
            arrival=now,
            deadline=now + spec.slo_seconds,
            plan=spec.plan or self._profile.plan(spec.kind),
            last_event=now,
        )
        return workflow

    def change_deadline(self, workflow_id: str, slo_seconds: float, now: float) -> Workflow:
        """Give a workflow another deadline, ``slo_seconds`` after its arrival and firm, and return it.

        Raises:
            KeyError: it is not open.
        """
        workflow = self.workflows[workflow_id]
        workflow.spec = replace(workflow.spec, slo_seconds=slo_seconds, firm=True)
        workflow.deadline = workflow.arrival + slo_seconds
        workflow.last_event = now
        return workflow

    def close_workflow(
        self, workflow: Workflow, state: State, now: float, failure: Failure | None
    ) -> WorkflowSettled:
        """End a workflow whose calls are all closed, and learn from it if it finished."""
        assert not workflow.open_calls
        if workflow.state is State.ACCEPTED and state is not State.REJECTED:
            advance(workflow, State.RUNNING, now)
        advance(workflow, state, now, failure)
        if state is State.FINISHED:
            self._profile.observe_workflow(workflow.spec.kind, workflow.visits)
        del self.workflows[workflow.spec.workflow_id]
        return WorkflowSettled(
            workflow_id=workflow.spec.workflow_id,
            state=state,
            deadline_met=state is State.FINISHED and now <= workflow.deadline,
            seconds=now - workflow.arrival,
            failure=failure,
        )

    def open_join(self, event: JoinOpened, now: float) -> None:
        """Begin a fan-out.

        Raises:
            KeyError: the workflow is not open.
            ValueError: the join is already open or has no branch.
        """
        workflow = self.workflows[event.workflow_id]
        if event.join_id in workflow.joins or event.size < 1:
            raise ValueError(f"join {event.join_id!r} is already open or empty")
        workflow.joins[event.join_id] = Join(event.size)
        workflow.last_event = now

    @staticmethod
    def end_branch(workflow: Workflow, join_id: str, branch: int, now: float) -> bool:
        """Note a branch's end; return whether it was the last one (true once per join)."""
        join = workflow.joins.get(join_id)
        if join is None or branch in join.ended or join.left == 0:
            return False
        workflow.last_event = now
        join.ended.add(branch)
        return join.left == 0

    def open_call(self, spec: CallSpec, sequence: int, now: float) -> Call:
        """Begin a call.

        Raises:
            KeyError: its workflow is not open.
            ValueError: the call id is in use.
        """
        workflow = self.workflows[spec.workflow_id]
        if spec.call_id in self.calls:
            raise ValueError(f"call {spec.call_id} is already open")
        if spec.join_id is not None and spec.join_id not in workflow.joins:
            workflow.joins[spec.join_id] = Join(spec.join_size)
        self._visit(workflow, spec)
        if workflow.state is State.ACCEPTED:
            advance(workflow, State.RUNNING, now)
        workflow.open_calls.add(spec.call_id)
        wf = workflow.spec
        branch = spec.branch if spec.join_id is not None else None
        estimate = self._profile.estimate(wf.kind, wf.database, spec.stage, spec.max_new_tokens, branch)
        call = Call(spec, workflow, sequence, now, estimate.output_tokens)
        self.calls[spec.call_id] = call
        heapq.heappush(self._expiries, (now + spec.timeout_seconds, spec.call_id))
        return call

    def close_call(self, call: Call, now: float) -> bool:
        """Forget a settled call; return whether its end completed its join."""
        spec = call.spec
        del self.calls[spec.call_id]
        call.workflow.open_calls.discard(spec.call_id)
        call.workflow.last_event = now
        if len(self._expiries) > 2 * len(self.calls) + _SPENT_EXPIRIES:
            self._expiries = [entry for entry in self._expiries if entry[1] in self.calls]
            heapq.heapify(self._expiries)
        if spec.join_id is None or not spec.ends_branch:
            return False
        return self.end_branch(call.workflow, spec.join_id, spec.branch, now)

    def expired_calls(self, now: float) -> Iterator[Call]:
        """Yield open calls over their time limit, each once."""
        while self._expiries and self._expiries[0][0] <= now:
            call = self.calls.get(heapq.heappop(self._expiries)[1])
            if call is not None:
                yield call

    def silent_workflows(self, now: float) -> list[Workflow]:
        """Return workflows without open calls that were silent longer than the limit."""
        most = self._ttl_seconds
        return [
            w
            for w in self.workflows.values()
            if not w.open_calls
            and now - w.last_event > (most if w.spec.silence_seconds is None else w.spec.silence_seconds)
        ]

    def waiting_workflows(self) -> list[Workflow]:
        """Return the workflows of which a call waits to be sent."""
        waits = {id(c.workflow): c.workflow for c in self.calls.values() if c.state is State.WAITING}
        return list(waits.values())

    @staticmethod
    def _visit(workflow: Workflow, spec: CallSpec) -> None:
        """Count a visit of the stage; siblings in the same round of the same join count once."""
        if spec.join_id is None:
            workflow.visits[spec.stage] += 1
            return
        workflow.rounds[spec.join_id, spec.branch, spec.stage] += 1
        rounds = workflow.rounds[spec.join_id, spec.branch, spec.stage]
        if rounds > workflow.join_rounds[spec.join_id, spec.stage]:
            workflow.join_rounds[spec.join_id, spec.stage] = rounds
            workflow.visits[spec.stage] += 1
