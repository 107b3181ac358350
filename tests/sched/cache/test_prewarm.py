"""Prewarming: hot prefixes are computed on idle runtimes before the calls that need them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from launch.shipped import ordering_registry, placement_registry
from sched import events as ev
from sched.cache.popularity import WORKFLOWS
from sched.dispatcher import Dispatcher, Limits
from sched.limits import PrewarmLimits
from sched.predict.latency import Speed
from sched.request import State
from sched.traces.trace_format import TraceSegment, TraceWorkflow
from sched.workflow import SegmentKind
from tests.factories import call_spec, chain, workflow_spec
from tests.sched.sim.sim_factories import simulate, trace_call, trace_workflow

TOKENS = 1024
SHARED = chain(7, TOKENS)


class Core:
    """A dispatcher with prewarming, and what it decided."""

    def __init__(self, *runtimes: str, **limits: Any) -> None:
        prewarm = PrewarmLimits(**{"share": 0.5, **limits})
        policies = placement_registry().load("least_work"), ordering_registry().load("fcfs")
        self.dispatcher = Dispatcher(*policies, Limits(window_tokens=10**6, prewarm=prewarm))
        self.now = 0.0
        self.decisions: list[ev.Decision] = []
        self._ids = 0
        for name in runtimes:
            self.tell(ev.RuntimeUp(name, 100_000, 8, Speed(1e-3, 1e-2)))

    def tell(self, event: ev.Event) -> list[ev.Decision]:
        """Give the core an event and return what it decides."""
        decisions = self.dispatcher.handle(event, self.now)
        self.decisions += decisions
        return decisions

    def call(self, workflow: str, stage: str, blocks: tuple[int, ...]) -> ev.Dispatch:
        """Let a call of the workflow arrive; return how it is sent."""
        self._ids += 1
        spec = call_spec(
            self._ids,
            workflow_id=workflow,
            stage=stage,
            blocks=blocks,
            prompt_tokens=len(blocks) * 32 + 5,
        )
        return next(d for d in self.tell(ev.CallArrived(spec)) if isinstance(d, ev.Dispatch))

    def finish(self, sent: ev.Dispatch) -> None:
        """Let a call run to its end."""
        self.tell(ev.FirstToken(sent.call_id, sent.attempt, 0))
        self.tell(ev.CallFinished(sent.call_id, sent.attempt, 0, 5, 0.5, 1.0))

    def popular(self) -> str:
        """Have workflows begin a stage with the same prompt until it is popular; return who computed it."""
        for i in range(WORKFLOWS):
            self.tell(ev.WorkflowArrived(workflow_spec(f"p{i}", database="shop")))
            self.finish(sent := self.call(f"p{i}", "write", (*SHARED, i)))
            self.tell(ev.WorkflowEnded(f"p{i}"))
        return sent.runtime

    def arrive(self, name: str = "new") -> list[ev.Prewarm]:
        """Let another workflow arrive; return what is prewarmed for it."""
        decisions = self.tell(ev.WorkflowArrived(workflow_spec(name, database="shop")))
        return [d for d in decisions if isinstance(d, ev.Prewarm)]


def test_a_popular_prefix_is_computed_where_it_is_missing() -> None:
    """When a workflow arrives that will need it; the core names whose prompt has it."""
    core = Core("r0", "r1")
    holder = core.popular()
    (keep,) = (d for d in core.decisions if isinstance(d, ev.KeepPrefix))
    (prewarm,) = core.arrive()
    assert (keep.tokens, prewarm.tokens, prewarm.prefix) == (TOKENS, TOKENS, keep.prefix)
    assert {holder, prewarm.runtime} == {"r0", "r1"}
    runtime = core.dispatcher.runtimes[prewarm.runtime]
    core.tell(ev.PrewarmEnded(prewarm.number, done=True))
    assert runtime.cache.cached_tokens(SHARED, TOKENS + 5) == TOKENS
    core.now = 1000.0
    assert core.arrive("next") == [], "both hold it"


def test_a_call_stops_the_prewarming_where_it_goes() -> None:
    """The runtime is told; a late report changes nothing."""
    core = Core("r0", replicas=1)
    core.popular()
    core.tell(ev.CacheFlushed("r0"))
    (prewarm,) = core.arrive()
    sent = core.call("new", "link", chain(9, 320))
    assert ev.Abort(prewarm.number, 0, "r0") in core.decisions
    core.tell(ev.PrewarmEnded(prewarm.number, done=True))
    runtime = core.dispatcher.runtimes["r0"]
    assert runtime.cache.expected_tokens(SHARED, TOKENS + 5) == 0
    core.finish(sent)
    assert runtime.outstanding_calls == 0


def test_a_runtime_at_work_is_left_alone() -> None:
    """And every runtime where prewarming is off."""
    off = Core("r0", "r1", share=0.0)
    off.popular()
    assert off.arrive() == []
    core = Core("r0", "r1")
    holder = core.popular()
    other = {"r0": "r1", "r1": "r0"}[holder]
    core.tell(ev.WorkflowArrived(workflow_spec("else", database="bank")))
    busy = core.call("else", "write", chain(5, 320))
    while busy.runtime != other:
        busy = core.call("else", "write", chain(5 + busy.call_id, 320))
    assert core.arrive() == [], "it is at work"


def test_a_runtime_prewarms_for_a_share_of_its_time() -> None:
    """One prefix at a time, and after it a pause."""
    core = Core("r0", replicas=1, share=0.5)
    core.popular()
    core.tell(ev.CacheFlushed("r0"))
    (first,) = core.arrive("a")
    assert core.arrive("b") == [], "one at a time"
    core.tell(ev.PrewarmEnded(first.number, done=False))
    assert core.arrive("c") == [], "1,024 tokens at 1 ms each allow the next after 2 s"
    core.now = 2.1
    assert len(core.arrive("d")) == 1


def test_a_lost_runtime_takes_its_prewarming_along() -> None:
    """It may come back and prewarm again."""
    core = Core("r0", replicas=1)
    core.popular()
    core.tell(ev.CacheFlushed("r0"))
    (prewarm,) = core.arrive("a")
    core.tell(ev.RuntimeLost("r0", "gone"))
    core.tell(ev.PrewarmEnded(prewarm.number, done=True))
    core.tell(ev.RuntimeUp("r0", 100_000, 8))
    assert len(core.arrive("b")) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.integers(0, 3)), max_size=40))
def test_prewarming_changes_no_call(steps: list[tuple[int, str, int]]) -> None:
    """Every call is sent and settled once; what is kept is dropped at most once; one a runtime at a time."""
    core = Core("r0", "r1", beside=2)
    core.popular()
    for i, (database, stage, family) in enumerate(steps):
        core.now += 1.0
        core.tell(ev.WorkflowArrived(workflow_spec(f"w{i}", database=f"d{database}")))
        sent = core.call(f"w{i}", stage, (*SHARED, *chain(family, 640)))
        if i % 3:
            core.finish(sent)
    calls = [d.call_id for d in core.decisions if isinstance(d, ev.Dispatch)]
    assert len(calls) == len(set(calls)) == len(steps) + WORKFLOWS
    kept = [d.prefix for d in core.decisions if isinstance(d, ev.KeepPrefix)]
    assert len(kept) == len(set(kept))
    settled = [d.state for d in core.decisions if isinstance(d, ev.CallSettled)]
    assert set(settled) <= {State.FINISHED}


# --- the simulator carries it out ---------------------------------------------------------------


def workflows() -> Iterator[TraceWorkflow]:
    """Yield workflows far apart, each a short call and then a long template, the last one twice at once."""
    shared = (TraceSegment(SegmentKind.TEMPLATE, "t", 2048), TraceSegment(SegmentKind.QUESTION, None, 40))
    for i in range(WORKFLOWS + 1):
        write: dict[str, Any] = {"stage": "write", "segments": shared, "join": "j", "output": 50}
        siblings = range(2 if i == WORKFLOWS else 1)
        calls = [trace_call(0, output=200), *(trace_call(1 + n, 0, branch=n, **write) for n in siblings)]
        yield trace_workflow(*calls, workflow_id=str(i), arrival=60.0 * i, database="shop")


def test_a_simulated_fan_out_finds_its_prefix_on_both_runtimes() -> None:
    """Without prewarming the slower runtime has never seen it; with it, it was computed in an idle moment."""
    cached, seconds = [], []
    for share in (0.0, 0.5):
        run = simulate(
            *workflows(),
            gpus=("a100", "a6000"),
            placement="least_outstanding",
            prewarm=PrewarmLimits(share=share),
        )
        last = run.workflows[-1]
        assert not any(w.failed for w in run.workflows)
        cached.append(sorted(c.cached_tokens for c in last.calls if c.stage == "write"))
        seconds.append(last.seconds)
    assert cached == [[0, 2048], [2048, 2048]]
    assert seconds[1] < seconds[0]
