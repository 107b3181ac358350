"""``slo_aware`` from end to end: what can't be served in time is refused, or does with less."""

from __future__ import annotations

import asyncio

from engine.controller.external_workflows import ExternalWorkflows, WorkflowTag
from launch.shipped import admission_registry
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.workflow_kind import Resources
from sched.clock import ManualClock
from sched.request import WorkflowSpec
from tests.launch.api.api_stack import Api, api_stack, words
from tests.launch.api.shop_schema import ShopSchema
from tests.plugins.text2sql.scripted_shop import a_request
from tests.waiting import reached

LEARNT = 5


async def learn(api: Api) -> None:
    """Let workflows end, so that it is known how long one takes."""
    for i in range(LEARNT):
        tag = {"id": f"old{i}", "slo_seconds": 600.0, "last": True}
        assert (await api.generate(text=words(300), workflow=tag)).status_code == 200


async def test_a_hopeless_workflow_is_refused_with_a_time_to_come_again() -> None:
    """429 with ``retry_after``, as a header too; one with time enough is served."""
    async with api_stack(admission="slo_aware") as api:
        await learn(api)
        hopeless = await api.generate(workflow={"id": "hopeless", "slo_seconds": 0.001})
        error = hopeless.json()["error"]
        assert (hopeless.status_code, error["code"]) == (429, "overloaded")
        assert "its SLO is 0.001 s" in error["message"]
        assert error["retry_after"] >= 1.0
        assert int(hopeless.headers["retry-after"]) >= 1
        latest = api.controller.records.get("hopeless")
        assert latest is not None
        assert latest.state == "rejected"
        fine = await api.generate(workflow={"id": "fine", "slo_seconds": 600.0, "last": True})
        assert fine.status_code == 200


async def test_under_load_fewer_candidates_are_advised() -> None:
    """In proportion to how late it would be, at least one; without load all that are wanted."""
    async with api_stack(admission="slo_aware?refuse=1000", clock=ManualClock()) as api:
        await learn(api)
        external: ExternalWorkflows = api.app.state.services.external
        (place,) = external.enter(WorkflowTag(workflow_id="new", slo_seconds=600.0))
        workflow = api.dispatcher.book.workflows["new"]
        assert workflow.base_seconds > 0
        assert api.controller.advised_candidates("new", 8) == 8
        api.controller.change_deadline("new", workflow.base_seconds / 2)
        policy = admission_registry().load("slo_aware?refuse=1000")
        api.worker.stalls = True
        api.worker.go.clear()
        waiting = [asyncio.create_task(api.generate(text=words(300))) for _ in range(3)]
        await reached(lambda: len(api.worker.requests) == LEARNT + 3)
        advised = api.controller.advised_candidates("new", 8)
        assert 1 <= advised <= 4
        runtimes = list(api.dispatcher.runtimes.values())
        assert advised == policy.candidates(workflow, 8, runtimes, api.controller.clock())
        api.worker.go.set()
        assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}
        external.leave([place])


async def test_the_text2sql_workflow_writes_fewer_candidates_under_a_tight_deadline() -> None:
    """Two of four with six tenths of the time that it takes, four with plenty, one with hardly any."""
    options = Text2SqlOptions(max_revisions=0, max_sql_tokens=16, max_answer_tokens=16)
    text2sql = Text2Sql(Resources(ShopSchema(), Compact(), options))
    async with api_stack(admission="slo_aware?refuse=1e9", workflow=text2sql, clock=ManualClock()) as api:
        api.worker.reason = {"type": "length", "length": 3}  # cut off, so that no majority ends the rest
        written = []
        for share in (0.6, 100, 0.001):
            spec = WorkflowSpec(
                workflow_id=f"like {share}",
                slo_seconds=600.0,
                kind="text2sql",
                database="shop",
                plan=text2sql.plan(a_request("How many customers?", 4)),
            )
            api.controller.open_workflow(spec)
            expected = api.dispatcher.book.workflows[spec.workflow_id].base_seconds
            asked = {"question": "How many customers?", "candidates": 4, "slo_seconds": share * expected}
            response = await api.client.post("/v1/text2sql", json=asked)
            assert response.status_code == 200
            stages = [step["stage"] for step in response.json()["timeline"]]
            written.append(stages.count("generate_candidate"))
        assert written == [2, 4, 1]
