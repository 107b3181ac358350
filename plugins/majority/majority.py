"""The workflow ``majority``: candidates are written in parallel and run; the most frequent result wins.

What: one prompt, sampled several times; the results vote (self-consistency, arXiv 2203.11171).
Why: the cheapest workflow with a choice, and the baseline of every longer one: one stage, one join.
Inputs: ``candidates`` of the request or the server; ``temperature`` of all but the first, else the
server's ``--candidate-temperature``.
Trade-offs: no retrieval, linking, revision or unit tests.  A value that is spelled differently in the
database is found by no candidate, and SQL that fails has no vote.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from plugins.text2sql import stages
from plugins.text2sql.candidates import first_attempt
from plugins.text2sql.explanation import explanation
from plugins.text2sql.jobs import Jobs, check_room
from plugins.text2sql.linking.room import TokenCounter
from plugins.text2sql.options import Job
from plugins.text2sql.question import QuestionRequest, SqlAnswer
from plugins.text2sql.selection import Candidate, best_of, check_written, decided, select
from plugins.workflow_kind import Resources
from sched.workflow import PlanStep, Steps, WorkflowProgram


@dataclass(frozen=True, slots=True)
class Majority:
    """The kind.  The first candidate is the model's best guess, the others have ``temperature``.

    Without one they have that of the server's options.
    """

    temperature: float | None = None
    name: ClassVar = "majority"
    request: ClassVar = QuestionRequest
    answer: ClassVar = SqlAnswer

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 < self.temperature <= 2:
            raise ValueError("temperature must be above 0 and at most 2")

    def open(self, resources: Resources) -> OpenMajority:
        """Return the workflow over ``resources``."""
        ours, servers = self.temperature, resources.options.candidate_temperature
        return OpenMajority(resources, servers if ours is None else ours)


class OpenMajority:
    """Makes the program of a question."""

    def __init__(self, resources: Resources, temperature: float) -> None:
        self._jobs = Jobs(resources)
        self._options = resources.options
        self._temperature = temperature

    def plan(self, request: QuestionRequest) -> tuple[PlanStep, ...]:
        """Return the only stage; its calls run side by side."""
        return (PlanStep(stages.GENERATE_CANDIDATE, 1.0),)

    def program(self, request: QuestionRequest, database: str) -> WorkflowProgram:
        """Return the workflow that answers ``request`` on ``database``.

        Raises:
            ConflictError: its conversation is about another database.
            InvalidRequestError: it wants more rows than the server gives.
            NotFoundError: no such database.
        """
        asking = self._jobs.asking(request, database)
        job = asking.job
        count = request.candidates or self._options.candidates

        async def run(steps: Steps) -> dict[str, Any]:
            advised = steps.candidates_advised(count)
            branches = [self._candidate(job, index) for index in range(advised)]
            enough = (lambda done: decided(done, advised)) if self._options.early_ending else None
            done = await steps.fan_out(branches, enough=enough)
            check_written(done)
            best = best_of(done)
            answer = select(done)
            if asking.explains:
                answer["explanation"] = await explanation(job, answer["sql"])
            return asking.answered(answer, best)

        return run

    def prepare(self, database: str) -> None:
        """Read the schema of ``database``.

        Raises:
            NotFoundError: no such database.
        """
        self._jobs.of(database)

    async def check_context(self, database: str, context_tokens: int, count_tokens: TokenCounter) -> None:
        """Refuse prompts about ``database`` for which the model's context has no room.

        Raises:
            ConfigError: names the option and the remedy.
            NotFoundError: no such database.
        """
        job = self._jobs.of(database)
        longest = [job.prompts.candidate(job.prompts.styles[0], job.topic, ())]
        await check_room(job, database, longest, context_tokens, count_tokens)

    def _candidate(self, job: Job, index: int) -> Callable[[Steps], Awaitable[Candidate]]:
        style = job.prompts.styles[0]
        sampling = job.sql_at(self._temperature if index else 0.0)

        async def run(steps: Steps) -> Candidate:
            prompt = job.prompts.candidate(style, job.topic, ())
            return await first_attempt(steps, job, prompt, sampling, index, style)

        return run
