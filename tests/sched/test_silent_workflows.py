"""Workflows that end by falling silent: nobody says which call was the last, and still they teach."""

from __future__ import annotations

import pytest

from sched import events as ev
from sched.decisions import WorkflowSettled
from sched.request import State
from tests.factories import SimpleCluster, make_dispatcher

KIND = "external"


def an_agent(cluster: SimpleCluster, name: str, first: int) -> None:
    """Run a workflow of three stages, of which each call takes 2 s and the next begins 1 s later."""
    cluster.workflow(name, kind=KIND, silence_seconds=10.0, slo_seconds=60.0)
    for call, stage in enumerate(("draft", "revise", "select"), start=first):
        cluster.call(call, workflow_id=name, stage=stage)
        cluster.now += 2.0
        cluster.finish(call)
        cluster.now += 1.0


def test_it_finishes_with_its_last_event() -> None:
    """Its silence is no part of its seconds, and its deadline is met."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    an_agent(cluster, "w", 1)
    assert cluster.tick(9.0) == []
    (end,) = cluster.tick(0.1)
    assert isinstance(end, WorkflowSettled)
    assert (end.state, end.seconds, end.deadline_met, end.failure) == (State.FINISHED, 8.0, True, None)


def test_it_may_be_ended_before() -> None:
    """With its last event, too, unless a call is open."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    an_agent(cluster, "w", 1)
    cluster.now += 5.0
    (end,) = cluster.feed(ev.WorkflowEnded("w", silent=True))
    assert isinstance(end, WorkflowSettled)
    assert end.seconds == 8.0
    cluster.workflow("busy", silence_seconds=10.0)
    cluster.call(9, workflow_id="busy")
    assert cluster.feed(ev.WorkflowEnded("busy", silent=True)) == []


def test_the_rest_of_a_workflow_is_learned_from_silent_ones() -> None:
    """By stage: more is still to come after the first than after the second, and nothing after the last."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    for workflow in range(5):
        an_agent(cluster, f"w{workflow}", 10 * workflow)
        cluster.tick(11.0)
    an_agent(cluster, "new", 100)
    assert cluster.dispatcher.profile.plan(KIND) != ()
    rests = {}
    cluster.workflow("newer", kind=KIND, silence_seconds=10.0)
    for call, stage in enumerate(("draft", "revise", "select"), start=200):
        cluster.call(call, workflow_id="newer", stage=stage)
        rests[stage] = cluster.dispatcher.book.calls[call].lone_rest_seconds
        cluster.finish(call)
    assert rests["draft"] > rests["revise"] > rests["select"] == 0.0


def test_unlike_stages_side_by_side_are_one_step_of_the_rest() -> None:
    """Two drafts that run together are followed by the same; before them is the longer one, not both."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    rests: dict[str, float] = {}
    alone: dict[str, float] = {}
    call = 0
    for workflow in range(6):
        name = f"w{workflow}"
        cluster.workflow(name, kind=KIND, silence_seconds=10.0)
        for stages in (["plan"], ["brief", "long"], ["select"]):
            round_of = {stage: call + place for place, stage in enumerate(stages, start=1)}
            for stage, number in round_of.items():
                join = {
                    "join_id": f"j{round_of[stages[0]]}",
                    "join_size": 64,
                    "branch": number,
                    "ends_branch": True,
                }
                prompt = 4000 if stage == "long" else 100
                cluster.call(number, workflow_id=name, stage=stage, prompt_tokens=prompt, **join)
                placed = cluster.dispatcher.book.calls[number]
                rests[stage], alone[stage] = placed.lone_rest_seconds, placed.lone_seconds
            for number in round_of.values():
                cluster.finish(number)
            call += len(stages)
        cluster.tick(11.0)
    assert rests["brief"] == rests["long"] == pytest.approx(alone["select"], rel=0.2)
    assert rests["plan"] == pytest.approx(alone["long"] + alone["select"], rel=0.2)
    assert alone["long"] > 2 * alone["brief"] > 0


def test_any_number_of_stages_fills_no_table() -> None:
    """Names that agents are given come and go; what is learned of them is bounded."""
    cluster = SimpleCluster(make_dispatcher(), ["r0"])
    for number in range(4500):
        cluster.workflow("w", kind=KIND, silence_seconds=0.0)
        cluster.call(number, workflow_id="w", stage=f"auto-{number:04x}")
        cluster.finish(number)
        cluster.tick(0.1)
    profile = cluster.dispatcher.profile
    assert len(profile.stages) <= 4096
    assert len(profile.visits[KIND]) <= 256
    assert len(profile.lengths.rows()) <= 4096
