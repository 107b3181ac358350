"""The agentic Text-to-SQL workflow, as CHESS has it: retrieve, link, write, repair, test, select."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from plugins.text2sql import stages
from plugins.text2sql.candidates import write_candidates
from plugins.text2sql.explanation import explanation
from plugins.text2sql.information import Information, retrieve
from plugins.text2sql.jobs import FEWER_TABLES, Jobs, Remedy, check_room
from plugins.text2sql.linking.room import TokenCounter
from plugins.text2sql.linking.schema_linking import LONG_STATEMENT, link
from plugins.text2sql.linking.shown_schema import ShownSchema
from plugins.text2sql.linking.wanted import Wanted
from plugins.text2sql.options import Job
from plugins.text2sql.question import QuestionRequest, SqlAnswer
from plugins.text2sql.selection import best_of, check_written, needs_tests, rivals, select
from plugins.text2sql.understanding import is_lost, not_understood
from plugins.text2sql.unit_tests import Judgement, judge
from plugins.workflow_kind import Resources
from sched.workflow import PlanStep, Steps, WorkflowProgram

# Means of the 123 published workflows; learning goes on from there.
_KEYWORD_VISITS = 0.86
_REVISE_VISITS = 0.9
_TESTED_SHARE = 0.94
_LINK = Remedy("let prompts show a part of the schema (--schema-shape auto)", "schema_shape")
_SHORTEN = Remedy(
    "use a model with a longer context or shorter answers (--max-sql-tokens, --thinking-tokens)",
    "max_sql_tokens",
)


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
            ConflictError: its conversation is about another database.
            InvalidRequestError: it wants more rows than the server gives.
            NotFoundError: no such database.
        """
        self.prepare(database)
        asking = self._jobs.asking(request, database)
        asked = asking.job
        count = request.candidates or self._options.candidates

        async def answer(steps: Steps) -> dict[str, Any]:
            information = Information()
            if self._retrieval is not None:
                information = await retrieve(steps, asked, database, self._retrieval)
            found = asked.prompts.retrieved(information.values, information.columns)
            # A grammar of the question's own takes tens of milliseconds, in which other workflows go on.
            job = await asyncio.to_thread(asked.about, found, information.values)
            wanted = _wanted(job, information)
            linked = await link(steps, job, wanted)
            if linked.tables:
                job.linking.order.needed(job.linking.needed(linked.names))
            shown = ShownSchema(job, linked, wanted)
            advised = steps.candidates_advised(count)
            done = await write_candidates(steps, job, shown, advised)
            check_written(done)
            in_full = not self._options.early_ending
            differing = rivals(done) if in_full or needs_tests(done, advised) else []
            results = [candidate.as_written for candidate in differing]
            judged = await judge(steps, job, shown, results) if results else Judgement()
            passed = {
                candidate.fingerprint(): number
                for candidate, number in zip(differing, judged.passed, strict=False)
            }
            details: dict[str, Any] = {
                "tables": linked.tables,
                "schema": shown.describe(),
                "retrieval": information.as_dict(),
                "unit_tests": judged.tests,
            }
            unfamiliar = self._profile.unfamiliar(asked.topic.question, information.values)
            if unfamiliar is not None:
                details["unfamiliar"] = unfamiliar
            best = best_of(done, passed)
            answer = select(done, passed) | details
            if not asking.turns and await is_lost(job, information, wanted, done):
                best = None
                answer |= not_understood(done)
            if asking.explains:
                answer["explanation"] = await explanation(job, answer["sql"], information, linked.tables)
            return asking.answered(answer, best)

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

        From then on prompts show as much of the schema as fits into ``context_tokens``.

        Raises:
            ConfigError: names the option and the remedy.
            NotFoundError: no such database.
        """
        job = self.prepare(database)
        self._jobs.room.limit(context_tokens, count_tokens)
        # A schema that is shown in part takes as much as a statement at the least.
        topic = job.topic if job.shows_whole else replace(job.topic, tables=(LONG_STATEMENT,))
        longest = [
            *(job.prompts.candidate(style, topic, ()) for style in job.prompts.styles),
            job.prompts.revision(topic, "", ""),
        ]
        remedy = FEWER_TABLES if job.profile.whole_schema else _LINK if job.shows_whole else _SHORTEN
        await check_room(job, database, longest, context_tokens, count_tokens, remedy)


def _wanted(job: Job, information: Information) -> Wanted:
    found = information.keywords, information.values, information.columns
    said = f"{job.topic.question}\n{job.topic.hint}\n{job.topic.earlier}"
    return Wanted.of(job.linking.labels, said, *found)
