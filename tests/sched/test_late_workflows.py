"""Late workflows end before another of their calls is sent; what runs is left alone."""

from __future__ import annotations

import pytest

from launch.shipped import admission_registry, ordering_registry, placement_registry
from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Decision, Dispatch, WorkflowSettled
from sched.dispatcher import Dispatcher
from sched.limits import CoreLimits
from sched.request import State
from tests.factories import SimpleCluster


def cluster(*runtimes: str, admission: str = "slo_aware") -> SimpleCluster:
    """Return a cluster whose windows hold one call of 100 tokens."""
    policies = placement_registry().load("least_work"), ordering_registry().load("fcfs")
    limits = CoreLimits(window_tokens=100)
    return SimpleCluster(
        Dispatcher(*policies, limits, admission=admission_registry().load(admission)), runtimes
    )


def of(kind: type[Decision], decisions: list[Decision]) -> list[Decision]:
    return [decision for decision in decisions if isinstance(decision, kind)]


def ended(decisions: list[Decision]) -> dict[str, str]:
    """Return the failure's code of each workflow that ended."""
    found = {d.workflow_id: d for d in decisions if isinstance(d, WorkflowSettled)}
    return {name: d.failure.code if d.failure else "" for name, d in found.items()}


def test_a_late_call_is_not_sent() -> None:
    """It arrives after the deadline: its workflow ends, and the runtime hears nothing of it."""
    late = cluster("r0")
    late.workflow(slo_seconds=10.0)
    late.now = 10.1
    decisions = late.call(1)
    assert not of(Dispatch, decisions)
    assert ended(decisions) == {"w0": "deadline_missed"}
    (settled,) = of(CallSettled, decisions)
    assert isinstance(settled, CallSettled)
    assert settled.failure is not None
    assert "10 s after the workflow began" in settled.failure.message
    assert (settled.state, settled.failure.code) == (State.CANCELLED, "deadline_missed")


def test_at_the_deadline_itself_it_is_sent() -> None:
    """Late is what comes after it."""
    exact = cluster("r0")
    exact.workflow(slo_seconds=10.0)
    exact.now = 10.0
    assert of(Dispatch, exact.call(1))


@pytest.mark.parametrize(
    ("admission", "firm"), [("always", True), ("slo_aware?keep_late=true", True), ("slo_aware", False)]
)
def test_best_effort_goes_on(admission: str, firm: bool) -> None:
    """Nothing ends under ``always``, with ``keep_late``, or where the client gave no deadline."""
    lasting = cluster("r0", admission=admission)
    lasting.workflow(slo_seconds=10.0, firm=firm)
    lasting.now = 1000.0
    assert of(Dispatch, lasting.call(1))
    assert not ended(lasting.tick())


def test_what_runs_is_left_alone() -> None:
    """A call that was sent in time may end after the deadline; its workflow then counts as missed."""
    running = cluster("r0")
    running.workflow(slo_seconds=10.0)
    running.call(1)
    assert not running.tick(20.0)
    assert of(CallSettled, running.finish(1))
    (settled,) = running.feed(ev.WorkflowEnded("w0"))
    assert isinstance(settled, WorkflowSettled)
    assert (settled.state, settled.deadline_met) == (State.FINISHED, False)


def test_a_held_call_frees_its_place_when_its_deadline_passes() -> None:
    """The next tick ends its workflow, its sibling on the runtime included; what waits behind is sent."""
    held = cluster("r0")
    held.workflow("late", slo_seconds=10.0)
    held.workflow("fine", slo_seconds=100.0)
    held.call(1, workflow_id="late", join_id="j", join_size=2, branch=0)
    assert not of(Dispatch, held.call(2, workflow_id="late", join_id="j", join_size=2, branch=1))
    assert not of(Dispatch, held.call(3, workflow_id="fine"))
    assert not held.tick(9.0)
    decisions = held.tick(2.0)
    assert ended(decisions) == {"late": "deadline_missed"}
    assert [d.call_id for d in decisions if isinstance(d, AbortCall)] == [1]
    assert [d.call_id for d in decisions if isinstance(d, Dispatch)] == [3]
    assert held.dispatcher.waiting_calls == 0
    assert held.dispatcher.runtimes["r0"].sent_tokens == 100


def test_calls_without_a_runtime_end_too() -> None:
    """Nobody waits past the deadline for a runtime to come up."""
    nowhere = cluster()
    nowhere.workflow(slo_seconds=10.0)
    nowhere.call(1)
    assert ended(nowhere.tick(11.0)) == {"w0": "deadline_missed"}
    assert nowhere.dispatcher.waiting_calls == 0


def test_room_made_on_a_runtime_already_looked_at_is_used() -> None:
    """The late workflow is met on the last runtime, and its running call leaves the first."""
    two = cluster("r0", "r1")
    two.workflow("late", slo_seconds=10.0)
    for name in ("a", "b"):
        two.workflow(name, slo_seconds=100.0)
    (first,) = of(Dispatch, two.call(1, workflow_id="late"))
    (second,) = of(Dispatch, two.call(2, workflow_id="a"))
    assert isinstance(first, Dispatch)
    assert isinstance(second, Dispatch)
    assert (first.runtime, second.runtime) == ("r0", "r1")
    two.call(3, workflow_id="b")
    two.call(4, workflow_id="late")
    assert [two.dispatcher.book.calls[i].runtime for i in (3, 4)] == ["r0", "r1"]
    two.now = 11.0
    decisions = two.finish(2)
    assert ended(decisions) == {"late": "deadline_missed"}
    assert [d.call_id for d in decisions if isinstance(d, Dispatch)] == [3]


def test_a_new_deadline_saves_it() -> None:
    """A client that gives more time in time keeps its workflow, and a deadline it gives is firm."""
    saved = cluster("r0")
    saved.workflow(slo_seconds=10.0, firm=False)
    saved.feed(ev.DeadlineChanged("w0", 50.0))
    saved.now = 40.0
    assert of(Dispatch, saved.call(1))
    saved.now = 51.0
    saved.call(2)
    assert ended(saved.tick()) == {"w0": "deadline_missed"}


def test_a_crowd_is_refused_until_it_has_drained() -> None:
    """A workflow that would take longer than its SLO at this load is refused, with the seconds until as many
    others are expected to have ended as are too many; without a deadline it is served."""
    busy = cluster("r0")
    for number in range(4):
        busy.workflow(f"old{number}", slo_seconds=20.0)
        busy.now += 10.0
        busy.feed(ev.WorkflowEnded(f"old{number}"))
    for number in range(40):
        busy.workflow(f"open{number}", slo_seconds=500.0, firm=False)
        busy.call(number, workflow_id=f"open{number}", prompt_tokens=20_000, max_new_tokens=4)
    known = busy.dispatcher.book.workflows
    assert known["open39"].slowdown > 2
    (refused,) = busy.workflow("late", slo_seconds=20.0)
    assert isinstance(refused, WorkflowSettled)
    assert refused.state is State.REJECTED
    assert refused.failure is not None
    assert refused.failure.code == "overloaded"
    assert refused.failure.retry_after is not None
    ends = sorted(w.arrival + (w.expected_seconds or 0.0) - busy.now for w in known.values())
    assert any(refused.failure.retry_after == pytest.approx(end) for end in ends)
    assert refused.failure.retry_after > 1.0
    assert not busy.workflow("patient", slo_seconds=20.0, firm=False)
    assert not busy.workflow("loose", slo_seconds=50_000.0)


def test_an_idle_server_refuses_nothing() -> None:
    """However tight a deadline is: nothing stands in its way, and trying it teaches."""
    idle = cluster("r0")
    for number in range(4):
        idle.workflow(f"old{number}", slo_seconds=20.0)
        idle.now += 30.0
        idle.feed(ev.WorkflowEnded(f"old{number}"))
    assert not idle.workflow("tight", slo_seconds=20.0)
    assert idle.dispatcher.book.workflows["tight"].expected_seconds == pytest.approx(30.0)


def test_what_is_late_teaches_as_well() -> None:
    """Where everything is late nothing ever finishes: what was ended at its deadline counts."""
    late = cluster("r0")
    for number in range(4):
        late.workflow(f"late{number}", slo_seconds=20.0)
        late.now += 25.0
        late.call(number, workflow_id=f"late{number}")
    late.workflow("new", slo_seconds=20.0)
    assert late.dispatcher.book.workflows["new"].expected_seconds == pytest.approx(25.0)


def test_a_full_queue_says_when_room_is_expected() -> None:
    """A call beyond the limit of waiting ones is refused with the seconds until a workflow should end."""
    policies = placement_registry().load("least_work"), ordering_registry().load("fcfs")
    full = SimpleCluster(Dispatcher(*policies, CoreLimits(max_waiting_calls=1)))
    full.workflow("w0")
    full.dispatcher.book.workflows["w0"].base_seconds = 7.0
    full.call(1)
    (refused,) = full.call(2)
    assert isinstance(refused, CallSettled)
    assert refused.failure is not None
    assert (refused.failure.code, refused.failure.retry_after) == ("overloaded", 7.0)
