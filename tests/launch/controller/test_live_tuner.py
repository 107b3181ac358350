"""Live tuning beside a controller: what workflows asked for, a round in a process of its own, the API."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.controller.calls import CallRequest, PendingCall, Place
from engine.controller.core_driver import CoreDriver
from engine.controller.timeline import CallEntry, SqlEntry, WorkflowRecord
from launch.controller.live_tuner import LiveTuner
from launch.controller.recent_workflows import RecentWorkflows
from launch.server.config import ControllerSpec, ServerConfig
from launch.server.devices import Machine
from launch.server.plan import ServerPlan
from launch.server.resolve import resolve
from sched.cache.prefix import BLOCK_TOKENS
from sched.errors import ConflictError
from sched.events import Event, PlacementChanged, RuntimeUp
from sched.predict.speed import Chunks, Speed
from sched.request import State
from sched.sim.prompt_chains import PromptChains
from sched.traces.trace_format import TraceWorkflow
from sched.tune.autotune import AutotuneOptions, Recent
from sched.workflow import SegmentKind
from tests.engine.controller.prompt_builders import segmented
from tests.factories import SimpleCluster, make_dispatcher, workflow_spec
from tests.launch.api.api_stack import api_stack

MACHINE = Machine(gpus=(), cores=(0, 1))


def spec(placement: str, *, autotune: bool = True) -> ControllerSpec:
    """Return a controller's instructions."""
    config = ServerConfig(placement=placement, simulated=True, cpu_slots=2, no_autotune=not autotune)
    return ServerPlan(resolve(config, MACHINE), MACHINE, embedded="m").controller_spec("ipc:///unused")


def workflow(name: str, arrival: float = 0.0) -> WorkflowRecord:
    return WorkflowRecord(workflow_spec(name, kind="text2sql", database="shop"), arrival)


def call(record: WorkflowRecord, stage: str, begin: float, end: float, **changes: Any) -> PendingCall:
    """Return a call that was ready and finished at ``begin`` and ``end`` seconds after its workflow's
    arrival; ``changes``: ``family`` of its prompt, ``tokens`` of it, ``branch`` of join "j", ``output``."""
    tokens, output, branch = changes.get("tokens", 320), changes.get("output", 20), changes.get("branch")
    prompt = segmented((SegmentKind.CONTEXT, 10_000 * changes.get("family", 1), tokens))
    place = Place(record) if branch is None else Place(record, "j", branch=branch)
    request = CallRequest(place=place, stage=stage, prompt=prompt, sampling={}, max_new_tokens=64)
    entry = CallEntry(stage=stage, branch=branch, ready_at=begin, state=State.FINISHED)
    entry.total_seconds, entry.output_tokens = end - begin, output
    record.add(entry)
    answer = SimpleNamespace(output_tokens=output)
    return cast(PendingCall, SimpleNamespace(request=request, entry=entry, record=record, answer=answer))


def ended(
    record: WorkflowRecord, calls: Sequence[PendingCall], observer: RecentWorkflows | None = None
) -> TraceWorkflow:
    """Tell an observer of the workflow's life; return what it kept."""
    observer = observer or kept_in_memory()
    for each in calls:
        observer.call_sent(each)
        observer.call_settled(each)
    record.settle(State.FINISHED, 9.0, deadline_met=True, failure=None)
    observer.workflow_settled(record)
    return observer._recent._ended[record.spec.workflow_id]


def kept_in_memory() -> RecentWorkflows:
    """Return an observer of its own."""
    return RecentWorkflows(Recent(AutotuneOptions(least_workflows=1, samples=1)))


def test_a_finished_workflow_becomes_a_trace() -> None:
    """Who waited for whom is told by the times; SQL belongs to the call before it in its branch."""
    record = workflow("w")
    calls = [
        call(record, "schema_linking", 0.0, 1.0),
        call(record, "generate_candidate", 1.0, 3.0, branch=0),
        call(record, "generate_candidate", 1.0, 2.0, branch=1, output=7),
        call(record, "revise", 2.5, 4.0, branch=1),
        call(record, "evaluate", 4.0, 5.0),
    ]
    record.add(SqlEntry(stage="execute", branch=1, ready_at=2.0, statement="", total_seconds=0.5))
    found = ended(record, calls)
    assert [c.stage for c in found.calls] == [
        "schema_linking",
        "generate_candidate",
        "generate_candidate",
        "revise",
        "evaluate",
    ]
    by_output = {c.output: c for c in found.calls if c.stage == "generate_candidate"}
    assert by_output[7].sql == 0.5
    revise, evaluate = found.calls[3], found.calls[4]
    assert revise.after == (by_output[7].id,)
    assert set(evaluate.after) == {by_output[20].id, revise.id}
    assert (by_output[7].join, by_output[7].branch, revise.branch) == ("j", 1, 1)
    assert (found.database, found.calls[0].prompt_tokens) == ("shop", 320)


def test_prompts_share_in_the_trace_what_they_shared() -> None:
    """Beginnings in common stay in common once a second workflow has shown that they are."""
    observer = kept_in_memory()
    _, *kept = [
        ended(record, [call(record, "s", 0.0, 1.0, family=family, tokens=tokens)], observer)
        for record, family, tokens in (
            (workflow("a"), 1, 40 * BLOCK_TOKENS),
            (workflow("b"), 1, 40 * BLOCK_TOKENS),
            (workflow("c"), 2, 40 * BLOCK_TOKENS),
            (workflow("d"), 1, 40 * BLOCK_TOKENS + 5),
        )
    ]
    chains = PromptChains()
    first, other, longer = (chains.prompt(w, w.calls[0]).blocks for w in kept)
    assert len(first) == 40
    assert first == longer[:40]
    assert not set(first) & set(other)


class Server:
    """A dispatcher with two unlike runtimes, for a tuner to tune."""

    def __init__(self) -> None:
        self.dispatcher = make_dispatcher("hexgen_flow")
        cluster = SimpleCluster(self.dispatcher)
        for name, factor in (("fast", 1.0), ("slow", 6.0)):
            speed = Speed(prefill=1e-4 * factor, decode=0.01 * factor, overhead=0.001)
            cluster.feed(RuntimeUp(name, 100_000, 8, speed, Chunks(2048)))
        self.policies: list[Any] = []

    def handle(self, event: Event) -> None:
        """Give the dispatcher an event, and note the policy that it brings."""
        assert isinstance(event, PlacementChanged)
        assert self.dispatcher.handle(event, self.clock()) == []
        self.policies.append(event.policy)

    def clock(self) -> float:
        return 30.0


def busy_tuner(placement: str = "hexgen_flow") -> LiveTuner:
    """Return a tuner that has seen sixty calls, two a second."""
    tuner = LiveTuner(spec(placement))
    for i in range(60):
        record = workflow(f"w{i}", arrival=0.5 * i)
        made = call(record, "s", 0.0, 1.0, family=i, tokens=2000, output=60)
        tuner.observer.call_sent(made)
        tuner.observer.call_settled(made)
        record.settle(State.FINISHED, 1.0, deadline_met=True, failure=None)
        tuner.observer.workflow_settled(record)
    return tuner


async def test_a_round_takes_a_better_setting_over() -> None:
    """Replayed in a process of its own on the learned speeds: α rises, the dispatcher uses it, and a revert
    takes it back."""
    server, tuner = Server(), busy_tuner("hexgen_flow?alpha=0.2")
    driver = cast(CoreDriver, server)
    tuner.enabled = False  # no rounds but this one
    tuner.start(driver)
    await tuner.round(driver)
    told = tuner.describe()
    assert told["rounds"] == 1
    assert told["latest"]["gain"] > 0.05
    [change] = told["changes"]
    assert (change["at"], change["before"]) == (30.0, "hexgen_flow?alpha=0.2")
    assert told["setting"] == change["after"] != change["before"]
    [better] = server.policies
    assert better.alpha > 0.2
    tuner.revert("enough")
    assert server.policies[1].alpha == 0.2
    await tuner.close()


async def test_too_few_workflows_start_no_process() -> None:
    """A server that has just begun has nothing to replay."""
    tuner = LiveTuner(spec("hexgen_flow"))
    await tuner.round(cast(CoreDriver, Server()))
    assert tuner.describe()["rounds"] == 0
    assert tuner.describe()["latest"] is None


def test_it_is_for_policies_with_knobs_and_can_be_switched_off() -> None:
    """Without knobs, or with ``--no-autotune``, it is not enabled."""
    assert LiveTuner(spec("hexgen_flow")).enabled
    assert not LiveTuner(spec("least_work")).enabled
    assert not LiveTuner(spec("hexgen_flow", autotune=False)).enabled


async def test_the_api_shows_profiles_and_tuning() -> None:
    """What was learned of stages; the tuning's state; a revert without a change is a conflict."""
    async with api_stack() as api:
        answer = await api.client.post("/v1/text2sql", json={"question": "q", "database": "shop"})
        assert answer.status_code == 200, answer.text
        profiles = (await api.client.get("/v1/profiles")).json()["profiles"]
        known = {(p["kind"], p["database"]) for p in profiles}
        assert ("text2sql", "shop") in known
        assert all(p["prompt_tokens"] > 0 for p in profiles)
        assert (await api.client.get("/v1/tuning")).json() == {"enabled": False}
        assert (await api.client.post("/v1/tuning/revert")).status_code == 409


def test_nothing_to_revert_is_said() -> None:
    """Before any change there is nothing to go back to."""
    tuner = LiveTuner(spec("hexgen_flow"))
    tuner._driver = cast(CoreDriver, Server())
    with pytest.raises(ConflictError, match="nothing to go back to"):
        tuner.revert("by hand")
