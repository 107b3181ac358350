"""Runs a trace through the live dispatcher on simulated runtimes and a simulated clock."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Dispatch, RekeyCall, WorkflowSettled
from sched.dispatcher import Dispatcher
from sched.errors import Failure
from sched.limits import CoreLimits
from sched.policy import AdmissionPolicy, OrderingPolicy, PlacementPolicy
from sched.request import CallSpec, State, WorkflowSpec
from sched.sim.agenda import Agenda, Turn
from sched.sim.batching import SimRuntimeConfig
from sched.sim.bounds import base_seconds, stage_seconds
from sched.sim.cluster import SimCluster
from sched.sim.figures import CallRecord, Outcome, Recording, WorkflowTimes
from sched.sim.hardware import Gpu
from sched.sim.prompt_chains import PromptChains, shared_by_all
from sched.sim.replayed_call import SimCall
from sched.tenants import Tenant
from sched.traces.replay import WorkflowReplay
from sched.traces.trace_format import TraceCall, TraceWorkflow
from sched.workflow import PromptSeconds

PromptCost = Callable[[TraceWorkflow, TraceCall], PromptSeconds]
"""What a call's prompt would cost, by what the dispatcher believes at this moment."""
ChoosesPrompt = Callable[[TraceWorkflow, TraceCall, PromptCost], TraceCall]
"""Returns the call as it is to be asked, perhaps with other segments."""

_NEVER_SECONDS = 1e9
_MIN_WINDOW_TOKENS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """How to run a trace.

    ``slo_scale``: deadlines are that many times a workflow's expected seconds (unless the trace has one).
    ``window_tokens``: of ``sched.limits.CoreLimits``; 0 is two chunks, so that no runtime idles.
    ``early_ending``: decided joins cancel the rest.  ``tick_seconds``: between ticks, 0 for none.
    ``calibrated``: the dispatcher is told each runtime's speed at the start.
    """

    slo_scale: float = 2.0
    window_tokens: int = 0
    early_ending: bool = False
    tick_seconds: float = 0.0
    calibrated: bool = True


@dataclass(slots=True, eq=False)
class _SimulatedWorkflow:
    """A workflow in flight; ``open_calls`` maps the trace's call ids to the dispatcher's."""

    replay: WorkflowReplay
    arrival: float
    base_seconds: float
    open_calls: dict[int, int] = field(default_factory=dict)
    records: list[CallRecord] = field(default_factory=list)
    over: bool = False


class Simulator:
    """One run: workflows follow their dependencies in a closed loop, the live dispatcher decides."""

    def __init__(
        self,
        gpus: Sequence[Gpu],
        config: SimRuntimeConfig,
        placement: PlacementPolicy,
        ordering: OrderingPolicy,
        options: SimOptions | None = None,
        choose: ChoosesPrompt | None = None,
        admission: AdmissionPolicy | None = None,
        tenants: Sequence[Tenant] = (),
    ) -> None:
        """``choose`` says what a call that becomes ready asks with; without it: what the trace has.

        Without ``admission`` every workflow is served to its end.  ``tenants`` as in ``Dispatcher``.
        """
        self._options = options or SimOptions()
        self._choose = choose or (lambda _workflow, call, _cost: call)
        self._gpus = gpus
        self._agenda = Agenda()
        self._cluster = SimCluster(gpus, config, self._agenda, self.feed)
        window = max(_MIN_WINDOW_TOKENS, 2 * self._cluster.longest_chunk)
        limits = CoreLimits(
            window_tokens=self._options.window_tokens or window,
            max_waiting_calls=1_000_000,
            workflow_ttl_seconds=_NEVER_SECONDS,
        )
        self.dispatcher = Dispatcher(placement, ordering, limits, admission=admission, tenants=tenants)
        self._events: deque[ev.Event] = deque()
        self._call_ids = itertools.count(1)
        self._chains = PromptChains()
        self._calls: dict[int, tuple[_SimulatedWorkflow, SimCall]] = {}
        self._flights: dict[str, _SimulatedWorkflow] = {}
        self._ended: list[WorkflowTimes] = []
        self._handlers: dict[type, Callable[..., None]] = {
            Dispatch: self._dispatch,
            RekeyCall: lambda d: self._calls[d.call_id][1].rekey(d),
            AbortCall: lambda d: self._cluster.abort(d.runtime, d.call_id, d.attempt),
            CallSettled: self._settled,
            WorkflowSettled: self._workflow_settled,
        }

    def run(
        self, workflows: Sequence[TraceWorkflow], stop: Callable[[WorkflowTimes], bool] | None = None
    ) -> Recording:
        """Run ``workflows`` (unique ids) to their ends; return what happened, workflows by arrival.

        ``stop`` sees each workflow that ends and may end the run there.
        """
        stages = stage_seconds(workflows, self._gpus)
        self._cluster.announce(calibrated=self._options.calibrated)
        for workflow in workflows:
            base = base_seconds(workflow, stages)
            self._agenda.at(workflow.arrival, Turn.WORKFLOW, partial(self._arrive, workflow, base))
        if self._options.tick_seconds:
            self._tick()
        seen = 0
        while seen < len(workflows) and self._agenda.step():
            ended, seen = self._ended[seen:], len(self._ended)
            if stop is not None and any(map(stop, ended)):
                break
        return Recording(sorted(self._ended, key=lambda w: (w.arrival, w.id)), self._cluster.records())

    def feed(self, event: ev.Event) -> None:
        """Hand an event to the dispatcher and carry out its decisions; one event after another."""
        self._events.append(event)
        if len(self._events) > 1:
            return  # a decision on the event in front led to this one
        while self._events:
            event = self._events[0]
            if isinstance(event, ev.CallArrived) and event.spec.workflow_id not in self._flights:
                del self._calls[event.spec.call_id]  # its workflow was ended since
                self._events.popleft()
                continue
            for decision in self.dispatcher.handle(event, self._agenda.now):
                handler = self._handlers.get(type(decision))
                if handler is not None:
                    handler(decision)
            self._events.popleft()

    def _tick(self) -> None:
        self.feed(ev.Tick())
        self._agenda.at(self._agenda.now + self._options.tick_seconds, Turn.WORKFLOW, self._tick)

    # --- workflows ------------------------------------------------------------------------------

    def _arrive(self, workflow: TraceWorkflow, base: float) -> None:
        replay = WorkflowReplay(workflow, early_ending=self._options.early_ending)
        flight = self._flights[workflow.id] = _SimulatedWorkflow(replay, self._agenda.now, base)
        spec = WorkflowSpec(
            workflow_id=workflow.id,
            slo_seconds=workflow.slo_seconds or self._options.slo_scale * base,
            kind=workflow.kind,
            tenant=workflow.tenant,
            database=workflow.database,
        )
        self.feed(ev.WorkflowArrived(spec))
        if not flight.over:
            self._start(flight, replay.first())

    def _start(self, flight: _SimulatedWorkflow, calls: Sequence[TraceCall]) -> None:
        workflow = flight.replay.workflow
        for traced in calls:
            call = self._choose(workflow, traced, self._prompt_seconds)
            call_id = next(self._call_ids)
            prompt = self._chains.prompt(workflow, call)
            self._calls[call_id] = flight, SimCall(call, prompt, self._agenda.now)
            flight.open_calls[call.id] = call_id
            spec = CallSpec(
                call_id=call_id,
                workflow_id=workflow.id,
                stage=call.stage,
                prompt_tokens=call.prompt_tokens,
                max_new_tokens=call.limit_tokens,
                blocks=prompt.blocks,
                join_id=call.join,
                join_size=flight.replay.join_size(call),
                branch=call.branch,
                ends_branch=flight.replay.ends_branch(call),
                timeout_seconds=_NEVER_SECONDS,
            )
            self.feed(ev.CallArrived(spec))

    def _prompt_seconds(self, workflow: TraceWorkflow, call: TraceCall) -> PromptSeconds:
        shared = sum(segment.tokens for segment in takewhile(shared_by_all, call.segments))
        blocks = self._chains.prompt(workflow, call).blocks
        stage = self.dispatcher.profile.estimate(workflow.kind, workflow.database, call.stage)
        return self.dispatcher.prompt_seconds(blocks, call.prompt_tokens, shared, stage.output_tokens)

    def _end_call(self, flight: _SimulatedWorkflow, call: TraceCall) -> None:
        """A call and its SQL are over."""
        if flight.over:
            return  # another call failed meanwhile
        if call.sql:
            self.feed(ev.StatementEnded(flight.replay.workflow.id, call.stage, call.sql))
        ready, skipped = flight.replay.end(call)
        for other in skipped:
            if other.id in flight.open_calls:
                self.feed(ev.CallCancelled(flight.open_calls[other.id], "the join is decided"))
        self._start(flight, ready)
        if flight.replay.done:
            self._end(flight, None)

    def _end(self, flight: _SimulatedWorkflow, failure: Failure | None) -> None:
        if not flight.over:
            flight.over = True
            self.feed(ev.WorkflowEnded(flight.replay.workflow.id, failure))

    def _settled(self, decision: CallSettled) -> None:
        flight, sim_call = self._calls.pop(decision.call_id)
        call = sim_call.call
        del flight.open_calls[call.id]
        if decision.state is State.FINISHED:
            flight.records.append(sim_call.record(self._agenda.now))
            if call.sql:
                over = partial(self._end_call, flight, call)
                self._agenda.at(self._agenda.now + call.sql, Turn.WORKFLOW, over)
            else:
                self._end_call(flight, call)
        elif decision.state is not State.CANCELLED:
            self._end(flight, decision.failure)

    def _dispatch(self, decision: Dispatch) -> None:
        _, sim_call = self._calls[decision.call_id]
        self._cluster.submit(decision.runtime, sim_call.send(decision, self._agenda.now))

    def _workflow_settled(self, decision: WorkflowSettled) -> None:
        flight = self._flights.pop(decision.workflow_id)
        flight.over = True
        self._ended.append(
            WorkflowTimes(
                id=decision.workflow_id,
                arrival=flight.arrival,
                seconds=decision.seconds,
                base_seconds=flight.base_seconds,
                outcome=Outcome.of(decision),
                calls=flight.records,
            )
        )
