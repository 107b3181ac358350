"""What a running workflow program is given: ``sched.workflow.Steps`` over real runtimes and databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.controller.calls import CallRequest, Place
from engine.controller.controller import Controller
from engine.controller.prompt_encoder import EncodedPrompt, PromptEncoder
from engine.controller.prompt_frame import PromptFrames
from engine.controller.timeline import CANCELLED_STATEMENT, CallEntry, SqlEntry
from sched.errors import InvalidRequestError
from sched.request import State
from sched.workflow import (
    GenerateParams,
    Generation,
    PromptSeconds,
    Segment,
    SqlBackend,
    SqlResult,
    Steps,
)

T = TypeVar("T")

_GIVEN_UP = "the workflow gave it up"


@dataclass(frozen=True, slots=True)
class Services:
    """What all workflows of a server share.  ``sql_timeout_seconds`` bounds one statement.

    ``frames`` hold the model's chat template; without them prompts are raw.
    """

    controller: Controller
    encoder: PromptEncoder
    sql: SqlBackend
    sql_timeout_seconds: float
    frames: PromptFrames | None = None

    async def encode(self, segments: Sequence[Segment], thinking: bool = False) -> EncodedPrompt:
        """Return the prompt of ``segments`` as this server's model is asked, ``thinking`` first or not.

        Raises:
            InvalidRequestError: no token comes out, or far more than the model's context holds.
        """
        return await self._encoded(segments, thinking, self.controller.workers.context_length)

    async def count(self, segments: Sequence[Segment]) -> int:
        """Return how many tokens the prompt of ``segments`` has, also if no context could hold them.

        Raises:
            InvalidRequestError: no token comes out.
        """
        return (await self._encoded(segments, False, None)).tokens

    async def _encoded(
        self, segments: Sequence[Segment], thinking: bool, most_tokens: int | None
    ) -> EncodedPrompt:
        if self.frames is None:
            return await self.encoder.encode(segments, most_tokens=most_tokens)
        frame = self.frames.thinking if thinking else self.frames.direct
        # The template itself begins with what the tokenizer would put in front.
        return await self.encoder.encode(frame.around(segments), prefixed=False, most_tokens=most_tokens)


class LiveSteps:
    """Steps of one workflow, or of one branch of a fan-out in it; implements ``sched.workflow.Steps``."""

    def __init__(self, services: Services, place: Place) -> None:
        self._services = services
        self._place = place
        self._record = place.record
        self._joins = 0

    @property
    def database(self) -> str | None:
        """The database the workflow asks."""
        return self._record.spec.database

    def remaining_seconds(self) -> float:
        """Seconds until the workflow's deadline; negative once it has passed."""
        return self._record.arrival + self._record.spec.slo_seconds - self._services.controller.clock()

    def candidates_advised(self, wanted: int) -> int:
        """How many of ``wanted`` alternative answers to write; see ``sched.workflow.Steps``."""
        return self._services.controller.advised_candidates(self._record.spec.workflow_id, wanted)

    async def prompt_seconds(self, stage: str, prompts: Sequence[Sequence[Segment]]) -> list[PromptSeconds]:
        """Return what each prompt of ``stage`` would cost; see ``sched.workflow.Steps``."""
        encoded = [await self._services.encode(segments) for segments in prompts]
        seconds = self._services.controller.prompt_seconds
        return [seconds(self._record.spec, stage, prompt) for prompt in encoded]

    async def generate(self, stage: str, segments: Sequence[Segment], params: GenerateParams) -> Generation:
        """Run one LLM call; see ``sched.workflow.Steps``."""
        prompt = await self._services.encode(segments, params.thinking)
        request = CallRequest(
            place=self._place,
            stage=stage,
            prompt=prompt,
            sampling=params.sampling,
            max_new_tokens=params.max_new_tokens,
            given_up=_GIVEN_UP,
        )
        result = await self._services.controller.generate(request)
        if self._record.keeps_outputs:
            result.entry.output = result.answer.text
            self._record.changed(result.entry)
        return result.generation()

    def unreadable(self, generation: Generation) -> None:
        """Note that a call's answer can't be used; see ``sched.workflow.Steps``."""
        entry = self._record.entry(generation.index)
        if isinstance(entry, CallEntry):
            entry.unreadable = True
            self._record.changed(entry)

    async def sql(self, stage: str, statement: str) -> SqlResult:
        """Run one SQL statement; see ``sched.workflow.Steps``."""
        if self.database is None:
            raise InvalidRequestError("the workflow has no database to ask", field="database")
        clock = self._services.controller.clock
        started = clock()
        entry = SqlEntry(
            stage=stage,
            branch=self._place.shown_branch,
            ready_at=started - self._record.arrival,
            statement=statement,
        )
        self._record.add(entry)
        try:
            limit = self._services.sql_timeout_seconds
            slack = self.remaining_seconds()
            result = await self._services.sql.execute(self.database, statement, limit, slack_seconds=slack)
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            entry.state = State.CANCELLED if cancelled else State.FAILED
            entry.error = CANCELLED_STATEMENT if cancelled else str(error) or type(error).__name__
            entry.total_seconds = clock() - started
            self._record.changed(entry)
            raise
        entry.state = State.FINISHED if result.ok else State.FAILED
        entry.error = result.error
        entry.row_count = len(result.rows) if result.ok else None
        entry.truncated = result.truncated
        entry.total_seconds = clock() - started
        self._record.changed(entry)
        workflow_id = self._record.spec.workflow_id
        self._services.controller.statement_ended(workflow_id, stage, entry.total_seconds)
        return result

    async def fan_out(
        self,
        branches: Sequence[Callable[[Steps], Awaitable[T]]],
        enough: Callable[[Sequence[T]], bool] | None = None,
    ) -> list[T]:
        """Run ``branches`` as siblings of one join; see ``sched.workflow.Steps``."""
        if not branches:
            return []
        self._joins += 1
        join_id = _inner_join(self._place, self._joins)
        workflow_id = self._record.spec.workflow_id
        self._services.controller.open_join(workflow_id, join_id, len(branches))

        async def run(index: int, branch: Callable[[Steps], Awaitable[T]]) -> T:
            place = Place(self._record, join_id, len(branches), index)
            try:
                return await branch(LiveSteps(self._services, place))
            finally:
                self._services.controller.end_branch(workflow_id, join_id, index)

        tasks = [asyncio.create_task(run(i, branch)) for i, branch in enumerate(branches)]
        try:
            await _settle(tasks, enough)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [task.result() for task in tasks if not task.cancelled()]


def _inner_join(place: Place, number: int) -> str:
    """Return the id of a join that is begun at ``place``, its ``number``-th: unique in the workflow."""
    return str(number) if place.join_id is None else f"{place.join_id}.{place.branch}/{number}"


async def _settle(tasks: Sequence[asyncio.Task[T]], enough: Callable[[Sequence[T]], bool] | None) -> None:
    """Wait until all tasks are done, one raised (raise that), or the results so far are enough."""
    pending = set(tasks)
    while pending:
        # Bounded by the time limits of the calls and statements inside.
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if enough is not None and enough([t.result() for t in tasks if t.done()]):
            return
