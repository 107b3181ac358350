"""The book of open workflows: how visits are counted and plans learned."""

from __future__ import annotations

import pytest

from sched.clock import ManualClock
from sched.errors import Failure
from sched.events import BranchEnded, JoinOpened, WorkflowEnded
from sched.lifecycle import Book
from sched.profile import StageProfile
from sched.workflow import PlanStep
from tests.factories import SimpleCluster, call_spec, make_dispatcher, workflow_spec


def test_siblings_of_one_round_are_one_visit() -> None:
    """The critical path sees a stage once per round, however many branches take part in it."""
    book = Book(StageProfile(), 60.0)
    book.open_workflow(workflow_spec(), 0.0)
    visits = book.workflows["w0"].visits
    book.open_call(call_spec(1, stage="link"), 1, 0.0)
    for branch in range(3):
        book.open_call(call_spec(2 + branch, stage="draft", join_id="j", branch=branch, join_size=3), 2, 0.0)
    assert visits == {"link": 1, "draft": 1}
    book.open_call(call_spec(5, stage="draft", join_id="j", branch=1, join_size=3), 3, 0.0)
    assert visits["draft"] == 2, "a second round of one branch is a further visit"
    book.open_call(call_spec(6, stage="draft", join_id="j", branch=2, join_size=3), 4, 0.0)
    assert visits["draft"] == 2, "another branch's second round runs beside it"
    book.open_call(call_spec(7, stage="draft", join_id="k", join_size=1), 5, 0.0)
    assert visits["draft"] == 3, "another join comes after this one"


def test_an_unplanned_workflow_gets_the_plan_of_its_kind() -> None:
    """What finished workflows went through is the plan of the next one; failed ones teach nothing."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    failure = Failure("runtime_failure", "the program raised")
    for workflow_id, stages, end in [("w1", "abb", None), ("w2", "aaaa", failure)]:
        cluster.workflow(workflow_id, kind="k")
        for call_id, stage in enumerate(stages):
            cluster.call(call_id, workflow_id=workflow_id, stage=stage)
            cluster.finish(call_id)
        cluster.feed(WorkflowEnded(workflow_id, end))
    for workflow_id, kind, own, plan in [
        ("w3", "k", (), (PlanStep("a", 1.0), PlanStep("b", 2.0))),
        ("w4", "other", (), ()),
        ("w5", "k", (PlanStep("c", 1.0),), (PlanStep("c", 1.0),)),
    ]:
        cluster.workflow(workflow_id, kind=kind, plan=own)
        assert cluster.dispatcher.book.workflows[workflow_id].plan == plan


def test_activity_keeps_a_workflow_alive() -> None:
    """Joins, branches and calls all count as a sign of life."""
    cluster = SimpleCluster(make_dispatcher(workflow_ttl_seconds=60.0), ["r0"])
    cluster.workflow()
    cluster.tick(50.0)
    cluster.feed(JoinOpened("w0", "j", 1))
    cluster.tick(50.0)
    cluster.feed(BranchEnded("w0", "j", 0))
    cluster.tick(50.0)
    cluster.call(1)
    cluster.tick(50.0)
    cluster.finish(1)
    assert cluster.tick(50.0) == []
    assert len(cluster.tick(50.0)) == 1


def test_the_manual_clock_never_goes_back() -> None:
    """The injected clock moves only forward and only when told to."""
    clock = ManualClock(5.0)
    assert (clock(), clock.advance(1.5), clock.advance(0.0), clock()) == (5.0, 6.5, 6.5, 6.5)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-0.1)
    assert clock() == 6.5
