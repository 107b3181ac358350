"""The book of open workflows and calls: how they open and end, how visits are counted and plans learned."""

from __future__ import annotations

import pytest

from sched.clock import ManualClock
from sched.errors import Failure
from sched.events import BranchEnded, DeadlineChanged, JoinOpened, WorkflowEnded
from sched.lifecycle import Book
from sched.predict.stage_profile import StageProfile
from sched.request import State, Workflow
from sched.workflow import PlanStep
from tests.factories import SimpleCluster, call_spec, make_dispatcher, workflow_spec


def open_book(profile: StageProfile | None = None) -> tuple[Book, Workflow]:
    """Return a book with the workflow ``w0``, which may be silent for 60 s."""
    book = Book(profile or StageProfile(), 60.0)
    return book, book.open_workflow(workflow_spec(), 0.0)


def test_a_workflow_runs_from_its_first_call_on() -> None:
    """Its state, the time of its end and its failure stand in its record."""
    book, workflow = open_book()
    states = [workflow.state]
    call = book.open_call(call_spec(1), 1, 1.0)
    states.append(workflow.state)
    assert states == [State.ACCEPTED, State.RUNNING]
    book.close_call(call, 2.0)
    failure = Failure("runtime_failure", "the program raised")
    book.close_workflow(workflow, State.FAILED, 5.0, failure)
    assert (workflow.state, workflow.ended_at, workflow.failure) == (State.FAILED, 5.0, failure)
    assert book.workflows == {}


@pytest.mark.parametrize("state", [State.FINISHED, State.CANCELLED, State.REJECTED])
def test_a_workflow_without_a_call_may_end_in_any_way(state: State) -> None:
    """A refused one was never running."""
    book, workflow = open_book()
    assert book.close_workflow(workflow, state, 5.0, None).state is state
    assert (workflow.state, workflow.ended_at) == (state, 5.0)


def test_a_workflow_is_not_closed_before_its_calls() -> None:
    """Whoever closes it has ended them; to forget one would be a bug."""
    book, workflow = open_book()
    book.open_call(call_spec(1), 1, 0.0)
    with pytest.raises(AssertionError):
        book.close_workflow(workflow, State.FINISHED, 5.0, None)
    assert set(book.workflows) == {"w0"}


def test_what_is_open_already_is_named() -> None:
    """A second workflow, call or join of one name is refused with that name."""
    book, workflow = open_book()
    book.open_call(call_spec(1), 1, 0.0)
    book.open_join(JoinOpened("w0", "j", 1), 0.0)
    refused = []
    for again in (
        lambda: book.open_workflow(workflow.spec, 1.0),
        lambda: book.open_call(call_spec(1), 2, 1.0),
        lambda: book.open_join(JoinOpened("w0", "j", 1), 1.0),
    ):
        with pytest.raises(ValueError) as caught:
            again()
        refused.append(str(caught.value))
    assert refused == [
        "workflow 'w0' is already open",
        "call 1 is already open",
        "join 'j' is already open or empty",
    ]


def test_only_a_call_that_is_its_branch_ends_it() -> None:
    """A branch of several calls ends when it is reported; a call without a join opens none."""
    book, workflow = open_book()
    step = book.open_call(call_spec(1, join_id="j", join_size=1), 1, 0.0)
    assert book.close_call(step, 1.0) is False
    assert workflow.joins["j"].left == 1
    alone = book.open_call(call_spec(2, ends_branch=True), 2, 1.0)
    assert book.close_call(alone, 2.0) is False
    assert set(workflow.joins) == {"j"}
    branch = book.open_call(call_spec(3, join_id="k", join_size=1, ends_branch=True), 3, 2.0)
    assert book.close_call(branch, 7.0) is True
    assert book.silent_workflows(67.0) == []
    assert book.silent_workflows(67.1) == [workflow]


def test_a_call_that_ended_is_never_over_its_time() -> None:
    """Only open calls are, and each is told once."""
    book, _ = open_book()
    ended, late = (book.open_call(call_spec(i, timeout_seconds=10.0), i, 0.0) for i in (1, 2))
    book.close_call(ended, 1.0)
    assert list(book.expired_calls(9.9)) == []
    assert list(book.expired_calls(10.0)) == [late]
    assert list(book.expired_calls(20.0)) == []


def test_a_branch_ends_once() -> None:
    """A repeat, an unknown branch of a complete join and an unknown join are no sign of life."""
    book, workflow = open_book()
    book.open_join(JoinOpened("w0", "j", 2), 0.0)
    assert book.end_branch(workflow, "j", 0, 1.0) is False
    assert book.end_branch(workflow, "j", 0, 2.0) is False
    assert workflow.last_event == 1.0
    assert book.end_branch(workflow, "j", 1, 3.0) is True
    for join_id, branch in [("j", 1), ("j", 2), ("unknown", 0)]:
        assert book.end_branch(workflow, join_id, branch, 4.0) is False
    assert (workflow.last_event, workflow.joins["j"].left) == (3.0, 0)


def test_a_call_is_expected_to_write_what_its_branch_does() -> None:
    """A branch of a database's workflows of one kind has a mean of its own; a lone call has its stage's."""
    profile = StageProfile()
    for branch, output in enumerate((10, 20)):
        profile.observe_call("generate", None, "s", 100, output, branch=branch)
    profile.observe_call("generate", "shop", "s", 100, 30, branch=1)
    profile.observe_call("other", None, "s", 100, 40)
    book, _ = open_book(profile)
    book.open_workflow(workflow_spec("w1", database="shop"), 0.0)

    def expected(call_id: int, **changes: object) -> float:
        return book.open_call(call_spec(call_id, max_new_tokens=50, **changes), 1, 0.0).expected_output_tokens

    stage = profile.estimate("generate", None, "s").output_tokens
    assert 10 < stage < 40
    assert expected(1, branch=1) == stage, "without a join there is no branch"
    assert [expected(2 + b, join_id="j", join_size=2, branch=b) for b in range(2)] == [10.0, 20.0]
    assert expected(4, workflow_id="w1", join_id="j", join_size=2, branch=1) == 30.0


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
    for branch in (1, 0):
        book.open_call(call_spec(9 - branch, stage="check", branch=branch), 6, 0.0)
    assert visits["check"] == 2, "without a join nothing runs beside"


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
    """Joins, branches, calls and new deadlines all count as a sign of life."""
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
    cluster.tick(50.0)
    cluster.feed(DeadlineChanged("w0", 1000.0))
    assert cluster.tick(50.0) == []
    assert len(cluster.tick(50.0)) == 1


def test_the_manual_clock_never_goes_back() -> None:
    """The injected clock moves only forward and only when told to."""
    clock = ManualClock(5.0)
    assert (clock(), clock.advance(1.5), clock.advance(0.0), clock()) == (5.0, 6.5, 6.5, 6.5)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-0.1)
    assert clock() == 6.5
