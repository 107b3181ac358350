"""``slo_aware`` from end to end: what can't be served in time is refused, or does with less."""

from __future__ import annotations

import asyncio

import httpx

from engine.controller.external_workflows import ExternalWorkflows, WorkflowTag
from engine.wire import messages as msg
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.workflow_kind import Resources
from sched.clock import ManualClock
from sched.request import WorkflowSpec
from tests.launch.api.api_stack import SLO_SECONDS, Api, api_stack, words
from tests.launch.api.shop_schema import ShopSchema
from tests.waiting import reached

LEARNT = 6


async def learn(api: Api) -> None:
    """Let workflows end that took 10 s, whatever time their clients gave."""
    clock = api.controller.clock
    assert isinstance(clock, ManualClock)
    for i in range(LEARNT):
        tag = {"id": f"old{i}", "slo_seconds": 20.0 * 2**i}
        assert (await api.generate(text=words(300), workflow=tag)).status_code == 200
        clock.advance(10.0)
        assert (await api.generate(text=words(300), workflow=tag | {"last": True})).status_code == 200


async def busy(api: Api, calls: int) -> list[asyncio.Task[httpx.Response]]:
    """Let ``calls`` calls of clients without a deadline run until ``go`` is set."""
    before = len(api.worker.requests)
    api.worker.stalls = True
    api.worker.go.clear()
    waiting = [asyncio.create_task(api.generate(text=words(300))) for _ in range(calls)]
    await reached(lambda: len(api.worker.requests) == before + calls)
    return waiting


async def test_a_hopeless_workflow_is_refused_with_a_time_to_come_again() -> None:
    """429 with ``retry_after``, as a header too; one with time enough or without a deadline is served."""
    async with api_stack(admission="slo_aware", clock=ManualClock()) as api:
        await learn(api)
        waiting = await busy(api, 8)
        hopeless = await api.generate(workflow={"id": "hopeless", "slo_seconds": 10.0})
        error = hopeless.json()["error"]
        assert (hopeless.status_code, error["code"]) == (429, "overloaded")
        assert "its deadline leaves 10 s" in error["message"]
        assert error["retry_after"] >= 1.0
        assert int(hopeless.headers["retry-after"]) >= 1
        latest = api.controller.records.get("hopeless")
        assert latest is not None
        assert latest.state == "rejected"
        fine = [{"id": "loose", "slo_seconds": 6000.0, "last": True}, {"id": "patient", "last": True}]
        waiting += [asyncio.create_task(api.generate(workflow=workflow)) for workflow in fine]
        await reached(lambda: len(api.worker.requests) == 2 * LEARNT + 8 + 2)
        api.worker.go.set()
        assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}


async def test_a_late_call_is_answered_with_504() -> None:
    """On each door, once the client's deadline has passed; without one the workflow goes on."""
    clock = ManualClock()
    async with api_stack(admission="slo_aware", clock=clock) as api:
        for workflow in ({"id": "firm", "slo_seconds": 10.0}, {"id": "patient"}):
            assert (await api.generate(workflow=workflow)).status_code == 200
        clock.advance(SLO_SECONDS + 1.0)
        late = await api.generate(workflow={"id": "firm"})
        error = late.json()["error"]
        assert (late.status_code, error["code"]) == (504, "deadline_missed")
        assert error["message"].startswith("the deadline has passed, 10 s after the workflow began")
        record = api.controller.records.get("firm")
        assert record is not None
        assert (record.state, record.deadline_met) == ("failed", False)
        assert (await api.generate(workflow={"id": "patient", "last": True})).status_code == 200
        assert len(api.worker.requests) == 3


async def test_a_question_ends_at_its_deadline() -> None:
    """The steps that are left aren't run; the answer is 504 and names the workflow."""
    options = Text2SqlOptions(max_revisions=0, max_sql_tokens=16, max_answer_tokens=16)
    text2sql = Text2Sql(Resources(ShopSchema(), Compact(), options))
    clock = ManualClock()
    async with api_stack(admission="slo_aware", workflow=text2sql, clock=clock) as api:
        api.worker.stalls = True
        api.worker.go.clear()
        asked = {"question": "How many customers?", "slo_seconds": 10.0}
        question = asyncio.create_task(api.client.post("/v1/text2sql", json=asked))
        await reached(lambda: len(api.worker.requests) == 1)
        clock.advance(11.0)
        api.worker.go.set()
        response = await question
        assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_missed")
        assert response.headers["x-workflow-id"]
        sent = len(api.worker.requests)
        assert sent == sum(isinstance(message, msg.Generate) for message in api.worker.received)
        assert api.controller.calls_in_flight == 0


async def test_under_load_fewer_candidates_are_advised() -> None:
    """In proportion to how late it would be, at least one; without load all that are wanted."""
    async with api_stack(admission="slo_aware?refuse=1000", clock=ManualClock()) as api:
        await learn(api)
        external: ExternalWorkflows = api.app.state.services.external
        places = external.enter(WorkflowTag(workflow_id="calm", slo_seconds=600.0))
        assert api.controller.advised_candidates("calm", 8) == 8
        waiting = await busy(api, 3)
        places += external.enter(WorkflowTag(workflow_id="new", slo_seconds=12.0))
        workflow = api.dispatcher.book.workflows["new"]
        assert workflow.expected_seconds is not None
        assert workflow.expected_seconds > 12.0
        advised = api.controller.advised_candidates("new", 8)
        assert advised == max(1, int(8 * 0.8 * 12.0 / workflow.expected_seconds))
        assert 1 <= advised < 8
        api.worker.go.set()
        assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}
        for place in places:
            external.leave([place])


async def test_the_text2sql_workflow_writes_fewer_candidates_under_a_tight_deadline() -> None:
    """Two of four with 7.5 of the 10 s that it takes, four with plenty, one with hardly any."""
    options = Text2SqlOptions(max_revisions=0, max_sql_tokens=16, max_answer_tokens=16)
    text2sql = Text2Sql(Resources(ShopSchema(), Compact(), options))
    clock = ManualClock()
    async with api_stack(admission="slo_aware?refuse=1e9", workflow=text2sql, clock=clock) as api:
        api.worker.reason = {"type": "length", "length": 3}  # cut off, so that no majority ends the rest
        for i in range(LEARNT):
            spec = WorkflowSpec(workflow_id=f"{i}", slo_seconds=20.0 * 4**i, kind="text2sql")
            api.controller.open_workflow(spec)
            clock.advance(10.0)
            api.controller.end_workflow(f"{i}")
        written = []
        for slo_seconds in (7.5, 1000.0, 0.01):
            asked = {"question": "How many customers?", "candidates": 4, "slo_seconds": slo_seconds}
            response = await api.client.post("/v1/text2sql", json=asked)
            assert response.status_code == 200
            stages = [step["stage"] for step in response.json()["timeline"]]
            written.append(stages.count("generate_candidate"))
        assert written == [2, 4, 1]
