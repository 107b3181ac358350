"""The agentic Text-to-SQL workflow, as CHESS has it: retrieve, link, write, repair, test, select."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from plugins.text2sql import stages
from plugins.text2sql.answers import TableNames
from plugins.text2sql.candidates import candidate_branch
from plugins.text2sql.information import Information, retrieve
from plugins.text2sql.jobs import Jobs, check_room
from plugins.text2sql.options import Job
from plugins.text2sql.question import QuestionRequest, SqlAnswer
from plugins.text2sql.selection import decided, needs_tests, rivals, select
from plugins.text2sql.unit_tests import Judgement, judge
from plugins.workflow_kind import Resources, TokenCounter
from sched.workflow import PlanStep, Steps, WorkflowProgram

# Means of the 123 published workflows; learning goes on from there.
_KEYWORD_VISITS = 0.86
_REVISE_VISITS = 0.9
_TESTED_SHARE = 0.94


@dataclass(frozen=True, slots=True)
class Chess:
    """The kind ``text2sql``."""

    name: ClassVar = "text2sql"
    request: ClassVar = QuestionRequest
    answer: ClassVar = SqlAnswer

    def open(self, resources: Resources) -> Text2Sql:
        """Return the workflow over ``resources``."""
        return Text2Sql(resources)


class Text2Sql:
    """Makes the workflow program of a question.  Without ``retrieval`` it begins with schema linking."""

    def __init__(self, resources: Resources) -> None:
        self._profile = resources.profile
        self._options = resources.options
        self._retrieval = resources.retrieval
        self._jobs = Jobs(resources)
        self._indexed: dict[str, Job] = {}

    def plan(self, request: QuestionRequest) -> tuple[PlanStep, ...]:
        """Return the stages on the critical path with their expected visits.

        Parallel calls count once.  The agents' decisions are one per tool and a last one.
        """
        retrieving = 1.0 if self._retrieval else 0.0
        several = (request.candidates or self._options.candidates) > 1
        tested = _TESTED_SHARE * several if self._options.early_ending else 1.0
        visits = {
            stages.INFORMATION_RETRIEVAL: 4 * retrieving,
            stages.EXTRACT_KEYWORDS: _KEYWORD_VISITS * retrieving,
            stages.SCHEMA_LINKING: 1.0,
            stages.GENERATE_CANDIDATE: 1.0,
            stages.REVISE: min(_REVISE_VISITS, self._options.max_revisions),
            stages.UNIT_TESTER: 3 * tested,
            stages.GENERATE_UNIT_TEST: tested,
            stages.EVALUATE: tested,
        }
        return tuple(PlanStep(stage, count) for stage, count in visits.items() if count)

    def program(self, request: QuestionRequest, database: str) -> WorkflowProgram:
        """Return the workflow that answers ``request`` on ``database``.

        Raises:
            NotFoundError: no such database.
        """
        asked = self.prepare(database).asked(request.question, request.evidence)
        count = request.candidates or self._options.candidates
        tables = TableNames(tuple(table.name for table in asked.schema.tables))

        async def answer(steps: Steps) -> dict[str, Any]:
            information = Information()
            if self._retrieval is not None:
                information = await retrieve(steps, asked, database, self._retrieval)
            found = asked.prompts.retrieved(information.values, information.columns)
            # A grammar of the question's own takes tens of milliseconds, in which other workflows go on.
            job = await asyncio.to_thread(asked.about, found, information.values)
            linked = await job.ask(steps, stages.SCHEMA_LINKING, job.prompts.linking(job.topic), tables)
            advised = steps.candidates_advised(count)
            branches = [candidate_branch(job, linked, index) for index in range(advised)]
            in_full = not self._options.early_ending
            done = await steps.fan_out(
                branches, enough=None if in_full else lambda results: decided(results, advised)
            )
            differing = rivals(done) if in_full or needs_tests(done, advised) else []
            judged = await judge(steps, job, [c.result for c in differing]) if differing else Judgement()
            passed = {
                candidate.fingerprint(): number
                for candidate, number in zip(differing, judged.passed, strict=False)
            }
            details: dict[str, Any] = {
                "tables": linked,
                "retrieval": information.as_dict(),
                "unit_tests": judged.tests,
            }
            unfamiliar = self._profile.unfamiliar(asked.topic.question, information.values)
            if unfamiliar is not None:
                details["unfamiliar"] = unfamiliar
            return select(done, passed) | details

        return answer

    def prepare(self, database: str) -> Job:
        """Return what all questions to ``database`` share; reads the schema at the first call (seconds).

        Begins to index the values for retrieval, in the background.

        Raises:
            NotFoundError: no such database.
        """
        job = self._jobs.of(database)
        if self._retrieval is not None and self._indexed.get(database) is not job:
            self._retrieval.prepare(database)
            self._indexed[database] = job
        return job

    async def check_context(self, database: str, context_tokens: int, count_tokens: TokenCounter) -> None:
        """Refuse a profile whose longest prompt about ``database`` doesn't fit the model.

        Raises:
            ConfigError: names the option and the remedy.
            NotFoundError: no such database.
        """
        job = self.prepare(database)
        longest = [
            *(job.prompts.candidate(style, job.topic, ()) for style in job.prompts.styles),
            job.prompts.revision(job.topic, "", ""),
        ]
        await check_room(job, database, longest, context_tokens, count_tokens)
