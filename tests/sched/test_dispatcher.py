"""The dispatcher, scenario by scenario: placing, sending, joins, workflows."""

from __future__ import annotations

import pytest

from sched import events as ev
from sched.decisions import AbortCall, CallSettled, Decision, Dispatch, Joined, WorkflowSettled
from sched.errors import Failure
from sched.request import State
from sched.workflow import PlanStep
from tests.factories import (
    SimpleCluster,
    StageKeyOrdering,
    call_spec,
    chain,
    make_dispatcher,
)


def sent(decisions: list[Decision]) -> list[tuple[int, str]]:
    """Return (call, runtime) of each dispatch, in order."""
    return [(d.call_id, d.runtime) for d in decisions if isinstance(d, Dispatch)]


def settled(decisions: list[Decision]) -> dict[int, State]:
    """Return the state of each call that was settled."""
    return {d.call_id: d.state for d in decisions if isinstance(d, CallSettled)}


def test_a_call_goes_through() -> None:
    """A call is sent to the runtime at once, and settled when that one has finished."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    cluster.now = 2.0
    (dispatch,) = cluster.call(7, timeout_seconds=30.0)
    assert isinstance(dispatch, Dispatch)
    assert (dispatch.call_id, dispatch.attempt, dispatch.runtime) == (7, 1, "r0")
    assert dispatch.remaining_seconds == 30.0
    cluster.now = 3.0
    assert cluster.first_token(7) == []
    assert cluster.finish(7) == [CallSettled(7, "w0", State.FINISHED)]


def test_the_record_says_why() -> None:
    """A dispatch carries the policies' names, scores, and the predictions that were used."""
    cluster = SimpleCluster(make_dispatcher("least_work", "urgency"), ["r0", "r1"])
    cluster.workflow(slo_seconds=40.0)
    (dispatch,) = cluster.call(1, prompt_tokens=400, max_new_tokens=16)
    assert isinstance(dispatch, Dispatch)
    record = dispatch.record
    assert (record.placement, record.ordering) == ("least_work", "urgency")
    assert set(record.scores) == {"r0", "r1"}
    assert record.predicted_seconds == pytest.approx(400 / 4000 + 7 / 80, rel=1e-2)
    assert record.predicted_output_tokens == 8
    assert record.slack_seconds == pytest.approx(40.0 - record.predicted_seconds)
    assert record.key == dispatch.key == pytest.approx(40.0 - 0.2)
    assert record.waited_seconds == 0.0


def test_calls_wait_for_the_first_runtime() -> None:
    """Calls that come before any runtime is up are kept and sent in order when one is."""
    cluster = SimpleCluster(make_dispatcher())
    cluster.workflow()
    assert cluster.call(1) == cluster.call(2) == []
    assert cluster.dispatcher.waiting_calls == 2
    cluster.now = 5.0
    assert sent(cluster.up("r0")) == [(1, "r0"), (2, "r0")]
    assert cluster.sent[1].record.waited_seconds == 5.0


def test_the_window_holds_and_a_first_token_opens_it() -> None:
    """Only a window of prompt tokens is sent; each first token lets more through."""
    cluster = SimpleCluster(make_dispatcher(window_tokens=250), ["r0"])
    cluster.workflow()
    assert [bool(sent(cluster.call(i))) for i in range(4)] == [True, True, False, False]
    assert cluster.dispatcher.runtimes["r0"].held_calls == cluster.dispatcher.waiting_calls == 2
    assert sent(cluster.first_token(0)) == [(2, "r0")]
    assert sent(cluster.finish(0)) == [], "the first token had already given the window back"
    assert sent(cluster.finish(1)) == [(3, "r0")]


def test_a_prompt_above_the_window_is_sent_alone() -> None:
    """A prompt larger than the window goes when nothing else is in it, and nothing beside it."""
    cluster = SimpleCluster(make_dispatcher(window_tokens=50), ["r0"])
    cluster.workflow()
    assert sent(cluster.call(1, prompt_tokens=400)) == [(1, "r0")]
    assert cluster.call(2, prompt_tokens=1) == []
    assert sent(cluster.first_token(1)) == [(2, "r0")]


def test_held_calls_go_by_key_then_sequence() -> None:
    """What is held leaves by the smallest key, ties by arrival; a late urgent call overtakes."""
    cluster = SimpleCluster(make_dispatcher(ordering=StageKeyOrdering(), window_tokens=100), ["r0"])
    cluster.workflow()
    cluster.call(0, stage="0")
    for call_id, stage in [(1, "5"), (2, "5"), (3, "-1"), (4, "2")]:
        assert cluster.call(call_id, stage=stage) == []
    order = [sent(cluster.finish(before))[0][0] for before in (0, 3, 4, 1)]
    assert order == [3, 4, 1, 2]


def test_a_cached_prefix_takes_no_window() -> None:
    """Tokens believed to be cached don't count: many calls of one prefix fit the window."""
    cluster = SimpleCluster(make_dispatcher(window_tokens=500), ["r0"])
    cluster.workflow()
    for call_id in range(4):
        shared = cluster.call(call_id, prompt_tokens=330, blocks=chain(1, 320))
        assert sent(shared) == [(call_id, "r0")]
    assert cluster.dispatcher.runtimes["r0"].sent_tokens == 330 + 3 * 10
    assert cluster.sent[3].record.predicted_cached_tokens == 320


def test_branches_of_one_call_join_by_themselves() -> None:
    """Calls that end their branch complete the join, once, whatever the way they end."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    for branch in range(3):
        cluster.call(branch, join_id="j", join_size=3, branch=branch, ends_branch=True)
    assert Joined("w0", "j") not in cluster.finish(2) + cluster.cancel(0)
    assert cluster.fail(1, retryable=False)[-1] == Joined("w0", "j")


def test_branches_of_many_steps_join_when_reported() -> None:
    """An opened join completes with its last ``BranchEnded``; repeats and strangers are ignored."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    cluster.feed(ev.JoinOpened("w0", "j", 2))
    cluster.call(1, join_id="j", branch=0)
    assert Joined("w0", "j") not in cluster.finish(1)
    for branch, joins in [(0, False), (0, False), (1, True), (1, False)]:
        expected = [Joined("w0", "j")] if joins else []
        assert cluster.feed(ev.BranchEnded("w0", "j", branch)) == expected
    assert cluster.feed(ev.BranchEnded("w0", "unknown", 0)) == []
    assert cluster.feed(ev.BranchEnded("unknown", "j", 0)) == []


@pytest.mark.parametrize(("seconds", "met"), [(99.0, True), (100.0, True), (101.0, False)])
def test_a_finished_workflow_knows_whether_it_was_in_time(seconds: float, met: bool) -> None:
    """``WorkflowSettled`` tells the time taken and whether the deadline held."""
    cluster = SimpleCluster(make_dispatcher())
    cluster.now = 10.0
    cluster.workflow()
    cluster.now += seconds
    expected = WorkflowSettled("w0", State.FINISHED, deadline_met=met, seconds=seconds)
    assert cluster.feed(ev.WorkflowEnded("w0")) == [expected]
    assert cluster.feed(ev.WorkflowEnded("w0")) == [], "it has ended already"


def test_the_end_of_a_workflow_withdraws_its_calls() -> None:
    """A workflow that fails takes its open calls along: sent ones are aborted, held ones not."""
    cluster = SimpleCluster(make_dispatcher(window_tokens=100), ["r0"])
    cluster.workflow()
    cluster.workflow("w1")
    for call_id, workflow_id in [(1, "w0"), (2, "w0"), (3, "w1")]:
        cluster.call(call_id, workflow_id=workflow_id)
    failure = Failure("runtime_failure", "the program raised")
    decisions = cluster.feed(ev.WorkflowEnded("w0", failure))
    assert decisions[:4] == [
        AbortCall(1, 1, "r0"),
        CallSettled(1, "w0", State.CANCELLED, failure),
        CallSettled(2, "w0", State.CANCELLED, failure),
        WorkflowSettled("w0", State.FAILED, deadline_met=False, seconds=0.0, failure=failure),
    ]
    assert sent(decisions) == [(3, "r0")], "the room goes to the other workflow"


def test_a_cancelled_workflow_never_meets_its_deadline() -> None:
    """A client that gives up gets a cancelled workflow, also when there was nothing to do."""
    cluster = SimpleCluster(make_dispatcher())
    cluster.workflow()
    (settled_workflow,) = cluster.feed(ev.WorkflowCancelled("w0", "left"))
    assert settled_workflow == WorkflowSettled(
        "w0", State.CANCELLED, deadline_met=False, seconds=0.0, failure=Failure("cancelled", "left")
    )
    assert cluster.feed(ev.WorkflowCancelled("w0", "left")) == []


def test_names_are_used_once() -> None:
    """A workflow, call, join or runtime announced twice is refused, and nothing changes."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    cluster.call(1)
    cluster.feed(ev.JoinOpened("w0", "j", 1))
    again: list[ev.Event] = [
        ev.RuntimeUp("r0", 1000, 8),
        ev.WorkflowArrived(cluster.dispatcher.book.workflows["w0"].spec),
        ev.CallArrived(call_spec(1)),
        ev.JoinOpened("w0", "j", 1),
        ev.JoinOpened("w0", "empty", 0),
    ]
    for event in again:
        with pytest.raises(ValueError, match=r"already|empty"):
            cluster.feed(event)
    assert cluster.finish(1) == [CallSettled(1, "w0", State.FINISHED)]


def test_calls_and_joins_need_an_open_workflow() -> None:
    """A call or join of a workflow that is not open raises ``KeyError``."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    for event in (ev.CallArrived(call_spec(1)), ev.JoinOpened("w0", "j", 2)):
        with pytest.raises(KeyError):
            cluster.feed(event)
    assert cluster.dispatcher.book.calls == {}


def test_a_stage_gets_its_share_of_the_time_left() -> None:
    """The budget of a stage is the time left in proportion to the plan; visits made no longer count."""
    plan = (PlanStep("a", 1), PlanStep("b", 1), PlanStep("c", 2))
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow(slo_seconds=60.0, plan=plan)
    for stage in "abc":
        cluster.dispatcher.profile.observe_call("generate", None, stage, 400, 8)
    deadlines = []
    for call_id, stage in enumerate("abcc"):
        cluster.call(call_id, stage=stage, prompt_tokens=400, max_new_tokens=8)
        deadlines.append(cluster.dispatcher.book.calls[call_id].stage_deadline)
        cluster.now += 6.0
    # 60 s over 4 visits, 54 s over 3, 48 s over 2, 42 s for the last one.
    assert deadlines == pytest.approx([15.0, 6 + 18.0, 12 + 24.0, 60.0])


def test_answers_teach_the_profile_and_the_runtime() -> None:
    """What finished calls took changes the next prediction for that stage and runtime."""
    cluster = SimpleCluster(make_dispatcher(), ["r0", "r1"])
    cluster.workflow()
    cluster.call(1, max_new_tokens=100)
    first = cluster.sent[1]
    cluster.finish(1, output=100, ttft=1.0, total=11.0)
    cluster.call(2, max_new_tokens=100)
    assert first.runtime == "r0"
    assert cluster.sent[2].record.predicted_output_tokens == 100
    assert cluster.sent[2].runtime == "r1", "r0 turned out to be slow"
    assert settled(cluster.finish(2)) == {2: State.FINISHED}


def test_only_computed_tokens_teach_the_speed_of_prefill() -> None:
    """Tokens that the runtime reports as cached took no time: 0.05 s for 100 computed ones is slow."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    cluster.workflow()
    cluster.call(1, prompt_tokens=400)
    before = cluster.dispatcher.runtimes["r0"].latency.prefill_seconds_per_token
    cluster.finish(1, cached=300, ttft=0.05)
    assert cluster.dispatcher.runtimes["r0"].latency.prefill_seconds_per_token > before
