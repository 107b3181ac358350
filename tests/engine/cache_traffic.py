"""A controller in this process, and workflows whose prompts share prefixes: is the belief right?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.controller.calls import CallRequest, CallResult, Place
from engine.controller.controller import Controller
from engine.controller.core_driver import CoreDriver, DriverOptions
from engine.controller.prompt_encoder import prompt_from_ids
from engine.controller.timeline import WorkflowRecord
from engine.controller.worker_table import WorkerTable
from engine.wire.link import RouterLink
from launch.shipped import ordering_registry, placement_registry
from sched.cache.prefix import BLOCK_TOKENS
from sched.dispatcher import Dispatcher
from sched.liveness import LifeLimits
from sched.request import WorkflowSpec
from tests.waiting import GUARD_SECONDS

_VOCABULARY = range(10, 4000)


@asynccontextmanager
async def controlled(
    endpoint: str, *runtimes: str, ordering: str = "urgency"
) -> AsyncIterator[tuple[Controller, CoreDriver]]:
    """Listen on ``endpoint`` for ``runtimes``; end with all of them up and the controller closed."""
    dispatcher = Dispatcher(placement_registry().load("least_work"), ordering_registry().load(ordering))
    workers = WorkerTable(runtimes, allow_simulated=True, limits=LifeLimits(lost_seconds=600.0))
    driver = CoreDriver(RouterLink(endpoint), dispatcher, workers, DriverOptions(epoch="cache"))
    driver.start()
    try:
        async with asyncio.timeout(GUARD_SECONDS):
            await driver.watch.complete.wait()
        yield Controller(driver), driver
    finally:
        await driver.close()


@dataclass(frozen=True, slots=True)
class Check:
    """A call's cached tokens: believed when it was sent, and found by the runtime."""

    believed: int
    found: int

    @property
    def error(self) -> int:
        """The difference in tokens; up to a block of it is rounding."""
        return abs(self.believed - self.found)

    @property
    def error_in_blocks(self) -> int:
        """The difference in whole blocks, as tokens: what isn't rounding."""
        return abs(self.believed // BLOCK_TOKENS - self.found // BLOCK_TOKENS) * BLOCK_TOKENS


class Traffic:
    """Workflows of four stages: one call, three siblings at once, and two calls that go on with an output.

    A prompt is the stage's template, the database's schema, the workflow's question and the call's
    context, each of random length and content.  Siblings come ``together`` or one by one.
    """

    def __init__(
        self, controller: Controller, seed: int, *, databases: int = 3, together: bool = True
    ) -> None:
        self.checks: list[Check] = []
        self._controller = controller
        self._together = together
        self._random = random.Random(seed)
        self._templates = {stage: self._tokens(150, 400) for stage in ("link", "generate", "revise")}
        self._schemas = [self._tokens(200, 500) for _ in range(databases)]

    def _tokens(self, least: int, most: int) -> list[int]:
        return self._random.choices(_VOCABULARY, k=self._random.randint(least, most))

    async def workflow(self, number: int) -> None:
        """Run one workflow to its end."""
        spec = WorkflowSpec(workflow_id=f"w{number}", slo_seconds=600.0)
        record = self._controller.open_workflow(spec)
        context = [*self._random.choice(self._schemas), *self._tokens(20, 60)]
        await self._call(record, "link", context)
        self._controller.open_join(spec.workflow_id, "candidates", 3)
        siblings = [self._call(record, "generate", [*context, *self._tokens(1, 60)], i) for i in range(3)]
        if self._together:
            await asyncio.gather(*siblings)
        else:
            for sibling in siblings:
                await sibling
        for _ in range(2):
            answer = await self._call(record, "revise", context)
            context = [*context, *answer.output_ids, *self._tokens(5, 40)]
        self._controller.end_workflow(spec.workflow_id)

    async def _call(
        self, record: WorkflowRecord, stage: str, context: Sequence[int], branch: int | None = None
    ) -> CallResult:
        place = Place(record)
        if branch is not None:
            place = Place(record, "candidates", 3, branch, ends_branch=True)
        request = CallRequest(
            place=place,
            stage=stage,
            prompt=prompt_from_ids([*self._templates[stage], *context]),
            sampling={"temperature": 0.0, "ignore_eos": True},
            max_new_tokens=self._random.randint(4, 48),
        )
        result = await self._controller.generate(request)
        assert result.entry.decision is not None
        believed = result.entry.decision.predicted_cached_tokens
        self.checks.append(Check(believed, result.answer.cached_tokens))
        return result

    async def run(self, workflows: int, *, at_once: int) -> None:
        """Run ``workflows``, at most ``at_once`` at a time."""
        slots = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with slots:
                await self.workflow(number)

        await asyncio.gather(*(one(number) for number in range(workflows)))
