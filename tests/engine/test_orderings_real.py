"""What an ordering policy decides in the controller is the order in which a real SGLang begins calls."""

from __future__ import annotations

import asyncio

import pytest

from engine.controller.calls import CallRequest, Place
from engine.controller.prompt_encoder import prompt_from_ids
from sched.request import WorkflowSpec
from tests.engine.cache_traffic import controlled
from tests.engine.real_worker import NAME, RealWorker
from tests.engine.worker_process import PROMPT

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="session")]

RELAXED = 6
URGENT_TOKENS = 2
"""The last call's length, by which it is known inside SGLang; those before it are longer, one by one."""


@pytest.mark.parametrize(
    ("ordering", "begun"),
    [("fcfs", [3, 4, 5, 6, 7, 8, URGENT_TOKENS]), ("urgency", [URGENT_TOKENS, 3, 4, 5, 6, 7, 8])],
)
async def test_the_last_and_most_urgent_call(real: RealWorker, ordering: str, begun: list[int]) -> None:
    """It is begun first under ``urgency`` and last under ``fcfs``; the others keep the order of arrival."""
    async with controlled(real.endpoint, NAME, ordering=ordering) as (controller, _):

        async def call(tokens: int, slo_seconds: float) -> None:
            spec = WorkflowSpec(workflow_id=f"{ordering}-{tokens}", slo_seconds=slo_seconds)
            record = controller.open_workflow(spec)
            sampling = {"ignore_eos": True}
            prompt = prompt_from_ids(PROMPT)
            await controller.generate(
                CallRequest(
                    place=Place(record),
                    stage="probe",
                    prompt=prompt,
                    sampling=sampling,
                    max_new_tokens=tokens,
                )
            )
            controller.end_workflow(spec.workflow_id)

        with real.gate.held():
            calls = []
            for tokens in (*range(3, 3 + RELAXED), URGENT_TOKENS):
                slo_seconds = 1.0 if tokens == URGENT_TOKENS else 3600.0 + 60.0 * tokens
                calls.append(asyncio.create_task(call(tokens, slo_seconds)))
                await asyncio.to_thread(real.gate.until_received, len(calls))
        await asyncio.gather(*calls, return_exceptions=True)
    (seen,) = real.gate.seen()
    assert list(seen.admitted) == begun
