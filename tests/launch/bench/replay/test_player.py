"""The replay: when calls are sent, what they tell, and what is made of the answers."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from launch.bench.replay.endpoint import Api, CallError, EndpointAnswer
from launch.bench.replay.outcome import WorkflowOutcome, errors, recording
from launch.bench.replay.player import Patience, PlayedItem, play, priced
from launch.bench.replay.replay_report import figures
from sched.sim.figures import summarise
from sched.traces.trace_format import TraceWorkflow
from tests.launch.bench.replay.replay_fakes import FakeServer, call, workflow


async def _played(
    server: FakeServer, *workflows: TraceWorkflow, api: Api = "sluice", **patience: float
) -> list[WorkflowOutcome]:
    endpoint = server.endpoint(api)
    items = [PlayedItem(w, 1.0, 2.0) for w in workflows]
    try:
        return await play(items, endpoint, Patience(**patience), prefix="run:")
    finally:
        await endpoint.close()


async def test_workflows_begin_on_time_whatever_the_server_does() -> None:
    """Every workflow is sent although none before it was answered; latencies count from the schedule."""
    all_sent, seen = asyncio.Event(), []

    async def stuck(body: dict[str, Any]) -> dict[str, Any]:
        seen.append(body["workflow"]["id"])
        if len(seen) == 3:
            all_sent.set()
        await asyncio.wait_for(all_sent.wait(), 120)
        return {}

    arrivals = (0.0, 0.05, 0.1)
    outcomes = await _played(FakeServer(stuck), *(workflow(f"{a}", call(0), arrival=a) for a in arrivals))
    assert seen == ["run:0.0", "run:0.05", "run:0.1"]
    assert [o.error for o in outcomes] == [None] * 3
    # The first waited for the last one's arrival.
    assert outcomes[0].seconds >= 0.1
    assert all(o.calls[0].ready == o.arrival <= o.calls[0].sent for o in outcomes)


async def test_calls_follow_one_another_and_sql_takes_its_time() -> None:
    """A call is sent when all that it follows have ended, their SQL included, and is ready from then."""
    server = FakeServer()
    chain = workflow(
        "w", call(0, sql=0.05), call(1, 0, join="j"), call(2, 0, join="j", branch=1), call(3, 1, 2)
    )
    (outcome,) = await _played(server, chain)
    order = [told.call for told in outcome.calls]
    assert order[0] == 0
    assert order[-1] == 3
    by_call = {told.call: told for told in outcome.calls}
    assert by_call[1].ready >= by_call[0].ready + by_call[0].seconds + 0.05
    assert by_call[3].ready >= max(by_call[n].ready + by_call[n].seconds for n in (1, 2))
    assert outcome.seconds >= by_call[3].ready + by_call[3].seconds


async def test_calls_tell_sluice_their_workflow() -> None:
    """Id, stage, deadline, siblings and database go along; the last call ends the workflow."""
    server = FakeServer()
    chain = workflow(
        "w",
        call(0, stage="link"),
        call(1, 0, stage="draft", join="j"),
        call(2, 0, stage="draft", join="j", branch=1),
        call(3, 1, 2, stage="test"),
        database="shop",
    )
    await _played(server, chain)
    tags = [body["workflow"] for body in server.bodies]
    assert {tag["id"] for tag in tags} == {"run:w"}
    assert [tag["stage"] for tag in tags] == ["link", "draft", "draft", "test"]
    assert [tag["siblings"] for tag in tags] == [1, 2, 2, 1]
    assert [tag["last"] for tag in tags] == [False, False, False, True]
    assert {(tag["slo_seconds"], tag["database"]) for tag in tags} == {(2.0, "shop")}


async def test_every_system_gets_the_same_prompts_and_lengths() -> None:
    """SGLang and OpenAI's API get the ids that Sluice gets, with outputs forced to their lengths."""
    two = workflow("w", call(0, output=9), call(1, 0))
    prompts = []
    for api in ("sluice", "sglang", "openai"):
        server = FakeServer()
        (outcome,) = await _played(server, two, api=api)
        assert outcome.error is None
        prompts.append([body.get("input_ids", body.get("prompt")) for body in server.bodies])
        forced = [body.get("sampling_params", body) for body in server.bodies]
        assert all(f["ignore_eos"] and f["temperature"] == 0 for f in forced)
        assert [f.get("max_new_tokens", f.get("max_tokens")) for f in forced] == [9, 4]
        assert ("workflow" in server.bodies[0]) == (api == "sluice")
    assert prompts[0] == prompts[1] == prompts[2]
    assert server.bodies[0]["model"] == "tiny"


async def test_lengths_can_be_hidden() -> None:
    """Then a server learns the limit; a token that no prompt has ends the output at its length."""
    server = FakeServer()
    played = workflow("a", call(0, output=6, max_new_tokens=64))
    items = priced([played], {"step": 1.0}, 2.0)
    [outcome] = await play(items, server.endpoint(), Patience(), hide_lengths=True)
    assert outcome.error is None, "it had the right length"
    [body] = server.bodies
    sampling = body["sampling_params"]
    assert (sampling["max_new_tokens"], sampling["min_new_tokens"]) == (64, 5)
    assert "ignore_eos" not in sampling
    [stop] = sampling["stop_token_ids"]
    assert sampling["logit_bias"] == {str(stop): 100.0}
    assert stop not in body["input_ids"]


async def test_failures_are_counted_and_end_their_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused, a late and a too short answer each fail a workflow, in words; the others go on."""

    async def broken(body: dict[str, Any]) -> dict[str, Any] | int:
        match body["workflow"]["id"]:
            case "run:refused":
                return 503
            case "run:late":
                await asyncio.Event().wait()
            case "run:short":
                return {"completion_tokens": 1}
        return {}

    endpoint = FakeServer(broken).endpoint()
    generate = endpoint.generate

    async def hurried(ids: Any, output: int, tag: Any, seconds: float, limit: int | None) -> EndpointAnswer:
        """Shorten the late one's limit alone."""
        seconds /= 10_000 if tag["id"] == "run:late" else 1
        return await generate(ids, output, tag, seconds, limit)

    monkeypatch.setattr(endpoint, "generate", hurried)
    names = ("refused", "late", "short", "well")
    items = [PlayedItem(workflow(n, call(0), call(1, 0)), 1.0, 2.0) for n in names]
    outcomes = await play(items, endpoint, Patience(call_seconds=300.0), prefix="run:")
    await endpoint.close()
    assert errors(outcomes) == {"http 503": 1, "timeout": 1, "wrong length": 1}
    assert [len(o.calls) for o in outcomes] == [1, 1, 1, 2]
    found = figures(outcomes, 100.0)
    assert (found["workflows"], found["failed"], found["attainment"]) == (4, 3, 0.25)
    assert found["p95"] is None


async def test_a_workflow_that_takes_too_long_has_failed() -> None:
    """Its open calls are given up."""

    async def slow(_body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    (outcome,) = await _played(FakeServer(slow), workflow("w", call(0)), workflow_seconds=0.1)
    assert outcome.error == "workflow timeout"
    assert outcome.calls == ()


async def test_answers_become_the_simulators_figures() -> None:
    """What SGLang tells of waiting and caching ends in the same summary as a simulation's."""
    outcomes = await _played(FakeServer(), *(workflow(str(n), call(0), call(1, 0)) for n in range(10)))
    told = outcomes[0].calls[0]
    assert (told.runtime, told.cached_tokens) == ("cpu-1", 7)
    assert told.queue_seconds is not None
    assert told.first_token_seconds is not None
    assert 0.5 <= told.queue_seconds < told.first_token_seconds
    summary = summarise(recording(outcomes), 1e6)
    assert summary.hit_rate == pytest.approx(7 / 25)
    assert summary.stages["step"].calls == 18, "the first tenth is not counted"
    assert [WorkflowOutcome.from_dict(o.as_dict()) for o in outcomes] == outcomes


async def test_sluice_tells_more() -> None:
    """The time held in its controller is waiting, too; the prediction is kept for comparison."""
    ours = {
        "runtime": "r",
        "waited_seconds": 2.0,
        "ttft_seconds": 3.0,
        "decision": {"predicted_cached_tokens": 5},
    }

    async def sluice(_body: dict[str, Any]) -> dict[str, Any]:
        return {"sluice": ours}

    (outcome,) = await _played(FakeServer(sluice), workflow("w", call(0)))
    (told,) = outcome.calls
    assert told.queue_seconds is not None
    assert told.queue_seconds >= 2.5
    assert (told.runtime, told.predicted_cached_tokens) == ("r", 5)


async def test_what_a_server_does_not_tell_stays_unknown() -> None:
    """Over OpenAI's API waiting is not zero but unknown."""
    (outcome,) = await _played(FakeServer(), workflow("w", call(0)), api="openai")
    assert outcome.calls[0].queue_seconds is None
    assert math.isnan(outcome.calls[0].record().queue_seconds)


async def test_a_refused_command_is_an_error() -> None:
    """Flushing a cache that can't be flushed is not passed over."""

    async def busy(_body: dict[str, Any]) -> int:
        return 400

    endpoint = FakeServer(busy).endpoint()
    with pytest.raises(CallError, match="/flush_cache"):
        await endpoint.post("/flush_cache", 5.0)
    await endpoint.close()


def test_a_deadline_is_a_multiple_of_the_expected_time() -> None:
    """Unless the trace has recorded one; the expected time is that of the longest chain."""
    stages = {"step": 2.0}
    two, own = workflow("w", call(0), call(1, 0)), workflow("v", call(0), slo_seconds=9.0)
    assert priced([two, own], stages, 3.0) == [PlayedItem(two, 4.0, 12.0), PlayedItem(own, 2.0, 9.0)]
