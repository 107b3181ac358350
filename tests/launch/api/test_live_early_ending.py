"""Early ending on the live path: what results have decided is cancelled on every runtime."""

from __future__ import annotations

from collections import Counter
from functools import partial

from sched.request import WorkflowSpec
from sched.workflow import GenerateParams, Segment, SegmentKind, Steps
from tests.launch.api.api_fakes import ENDLESS, FakeWorker
from tests.launch.api.api_stack import api_stack
from tests.waiting import reached

RUNTIMES = ("r0", "r1", "r2")


async def program(steps: Steps) -> dict[str, int]:
    """Write six candidates of which one is enough."""

    async def candidate(branch: Steps) -> str:
        segments = [Segment(SegmentKind.QUESTION, "which of these words")]
        return (await branch.generate("write", segments, GenerateParams(8))).text

    done = await steps.fan_out([candidate] * 6, enough=lambda results: len(results) >= 1)
    return {"candidates": len(done)}


def _aborted(worker: FakeWorker, rids: set[str]) -> bool:
    return set(worker.aborted) == rids


async def test_a_decided_fan_out_is_aborted_on_every_runtime() -> None:
    """It ends with the result that decided; each runtime is told of all calls that it still has."""
    async with api_stack(RUNTIMES) as api:
        for worker in api.workers:
            worker.stalls = True
            worker.go.clear()
        record = api.runner.start(WorkflowSpec(workflow_id="w", slo_seconds=900.0), program)
        await reached(lambda: sum(len(worker.requests) for worker in api.workers) == 6)
        assert all(worker.requests for worker in api.workers)
        decider = api.workers[0].requests[0].rid
        for other in api.workers[0].requests[1:]:
            api.workers[0].tasks[other.rid].cancel()  # only the first one answers
        api.workers[0].go.set()
        await api.runner.wait(record)
        assert record.result == {"candidates": 1}
        assert (record.state, record.deadline_met) == ("finished", True)
        errors = Counter(entry.error for entry in record.entries)
        assert errors == {None: 1, "the workflow gave it up": 5}
        for worker in api.workers:
            open_rids = {request.rid for request in worker.requests} - {decider}
            await reached(partial(_aborted, worker, open_rids))
        assert all(not runtime.calls for runtime in api.dispatcher.runtimes.values())


async def test_a_statement_that_is_no_longer_needed_says_so() -> None:
    """It has ended as cancelled, in words for a person instead of an exception's name."""

    async def decided(steps: Steps) -> dict[str, int]:
        async def answered(branch: Steps) -> int:
            return len((await branch.sql("execute", "SELECT 1")).rows)

        async def endless(branch: Steps) -> int:
            return len((await branch.sql("execute", ENDLESS)).rows)

        return {"rows": (await steps.fan_out([endless, answered], enough=bool))[0]}

    async with api_stack() as api:
        spec = WorkflowSpec(workflow_id="w", slo_seconds=900.0, database="shop")
        record = api.runner.start(spec, decided)
        await api.runner.wait(record)
        assert record.result == {"rows": 1}
        shown = [(entry.state, entry.error) for entry in record.entries]
        assert shown == [("cancelled", "the statement was cancelled"), ("finished", None)]
