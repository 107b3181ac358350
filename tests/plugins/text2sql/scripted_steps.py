"""A workflow's ``Steps`` whose model answers from a script and whose databases are real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from plugins.text2sql.databases.database_registry import DatabaseRegistry
from sched.workflow import GenerateParams, Generation, PromptSeconds, Segment, SegmentKind, SqlResult, Steps
from tests.plugins.text2sql.databases.running_statements import AMPLE, GUARD

T = TypeVar("T")

CUT_OFF = "\0"
"""At the end of an answer: it is truncated."""


@dataclass
class Call:
    """A call that the workflow made.  ``branches`` is its way through the fan-outs."""

    stage: str
    segments: tuple[Segment, ...]
    params: GenerateParams
    branches: tuple[int, ...]
    running_beside: int = 0

    @property
    def prompt(self) -> str:
        return "".join(segment.text for segment in self.segments)

    def context(self) -> str:
        return "".join(segment.text for segment in self.segments if segment.kind == SegmentKind.CONTEXT)


Model = Callable[[Call, int], str]
"""Answers a call; the number counts the calls of its stage (and branch, where it has one) from 0."""


@dataclass
class Journal:
    """What happened, in order; shared by all branches."""

    calls: list[Call] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    ended_branches: int = 0
    running: int = 0
    cancelled: int = 0
    unreadable: list[str] = field(default_factory=list)

    def stages(self) -> list[str]:
        return [call.stage for call in self.calls]

    def of(self, stage: str) -> list[Call]:
        return [call for call in self.calls if call.stage == stage]

    async def passes(self, until: Callable[[], bool] = lambda: True) -> None:
        """Wait for a state, and for all that the workflow then does of itself."""
        while not until():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        for _ in range(20):
            await asyncio.sleep(0)


def nothing_cached(prompt: Sequence[Segment]) -> PromptSeconds:
    """Return a microsecond per character of a prompt, which is always computed."""
    now = sum(len(segment.text) for segment in prompt)
    shared = sum(len(s.text) for s in prompt if s.kind in (SegmentKind.TEMPLATE, SegmentKind.SCHEMA))
    return PromptSeconds(now / 1e6, (now - shared) / 1e6)


Hold = Callable[[Call, Journal], Awaitable[None]]
"""Returns when a call may be answered."""


async def at_once(call: Call, journal: Journal) -> None:
    """Hold no call."""
    await asyncio.sleep(0)


async def for_ever(call: Call, journal: Journal) -> None:
    """Hold a call until it is cancelled."""
    await asyncio.get_running_loop().create_future()


@dataclass
class ScriptedSteps:
    """Implements ``sched.workflow.Steps``; no call is answered before ``hold`` lets it."""

    model: Model
    databases: DatabaseRegistry
    journal: Journal = field(default_factory=Journal)
    database: str | None = "shop"
    branches: tuple[int, ...] = ()
    hold: Hold = at_once
    advised: int = 99
    cost: Callable[[Sequence[Segment]], PromptSeconds] = nothing_cached
    remaining: float = 60.0

    def remaining_seconds(self) -> float:
        return self.remaining

    def candidates_advised(self, wanted: int) -> int:
        return min(wanted, self.advised)

    async def prompt_seconds(self, stage: str, prompts: Sequence[Sequence[Segment]]) -> list[PromptSeconds]:
        return [self.cost(prompt) for prompt in prompts]

    async def generate(self, stage: str, segments: Sequence[Segment], params: GenerateParams) -> Generation:
        call = Call(stage, tuple(segments), params, self.branches)
        index = len(self.journal.calls)
        before = sum(c.stage == stage and c.branches == self.branches for c in self.journal.calls)
        self.journal.calls.append(call)
        self.journal.running += 1
        try:
            await self.hold(call, self.journal)
            call.running_beside = self.journal.running
        except asyncio.CancelledError:
            self.journal.cancelled += 1
            raise
        finally:
            self.journal.running -= 1
        text = self.model(call, before)
        reason = "length" if text.endswith(CUT_OFF) else "stop"
        return Generation(text.removesuffix(CUT_OFF), reason, len(call.prompt), 0, len(text), index)

    def unreadable(self, generation: Generation) -> None:
        self.journal.unreadable.append(self.journal.calls[generation.index].stage)

    async def sql(self, stage: str, statement: str) -> SqlResult:
        self.journal.statements.append(statement)
        assert self.database is not None
        return await self.databases.execute(self.database, statement, AMPLE, slack_seconds=60.0)

    async def fan_out(
        self,
        branches: Sequence[Callable[[Steps], Awaitable[T]]],
        enough: Callable[[Sequence[T]], bool] | None = None,
    ) -> list[T]:
        async def run(index: int, branch: Callable[[Steps], Awaitable[T]]) -> T:
            inner = (*self.branches, index)
            try:
                return await branch(replace(self, branches=inner))
            finally:
                self.journal.ended_branches += 1

        tasks = [asyncio.create_task(run(index, branch)) for index, branch in enumerate(branches)]
        pending = set(tasks)
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=GUARD, return_when=asyncio.FIRST_COMPLETED
                )
                assert done, "a branch hangs"
                if enough is not None and enough([task.result() for task in tasks if task.done()]):
                    break
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return [task.result() for task in tasks if not task.cancelled()]


def by_stage(**answers: str | Sequence[str]) -> Model:
    """Return a model with one answer per stage, or one per call of it (the last one again and again).

    Within a fan-out a list is one answer per branch.
    """

    def model(call: Call, number: int) -> str:
        answer = answers[call.stage]
        if isinstance(answer, str):
            return answer
        place = call.branches[0] if call.branches else number
        return answer[min(place, len(answer) - 1)]

    return model
