"""The agentic Text-to-SQL workflow, as CHESS has it: retrieve, link, write, repair, test, select."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from plugins.text2sql import stages
from plugins.text2sql.answers import TableNames
from plugins.text2sql.candidates import candidate_branch
from plugins.text2sql.databases.schema import DatabaseSchema, render
from plugins.text2sql.information import Information, retrieve
from plugins.text2sql.options import Job, Text2SqlOptions
from plugins.text2sql.profile import Full, Profile
from plugins.text2sql.prompts import compact
from plugins.text2sql.retrieval.retrieval import Retrieval
from plugins.text2sql.selection import decided, needs_tests, rivals, select
from plugins.text2sql.unit_tests import Judgement, judge
from sched.errors import ConfigError
from sched.workflow import PlanStep, Segment, Steps, WorkflowProgram

# Means of the 123 published workflows; learning goes on from there.
_KEYWORD_VISITS = 0.86
_REVISE_VISITS = 0.9
_TESTED_SHARE = 0.94
# Tokens left for a question, what was retrieved, a statement and its error message.
_ROOM_TOKENS = 1024


class SchemaSource(Protocol):
    """Where schemas come from; ``plugins.text2sql.databases.databases.DatabaseRegistry`` is one."""

    def schema(self, name: str) -> DatabaseSchema:
        """Return the schema of database ``name``.

        Raises:
            NotFoundError: no such database.
        """
        ...


class Text2Sql:
    """Makes the workflow program of a question.  Without ``retrieval`` it begins with schema linking."""

    def __init__(
        self,
        schemas: SchemaSource,
        profile: Profile,
        options: Text2SqlOptions,
        retrieval: Retrieval | None = None,
    ) -> None:
        self._schemas = schemas
        self._profile = profile
        self._options = options
        self._retrieval = retrieval
        self._prepared: dict[str, Job] = {}

    def plan(self, candidates: int | None = None) -> tuple[PlanStep, ...]:
        """Return the stages on the critical path with their expected visits.

        Parallel calls count once.  The agents' decisions are one per tool and a last one.
        """
        retrieving = 1.0 if self._retrieval else 0.0
        several = (candidates or self._options.candidates) > 1
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

    def program(self, question: str, database: str, candidates: int | None = None) -> WorkflowProgram:
        """Return the workflow that answers ``question`` on ``database`` with a JSON-ready dictionary.

        Raises:
            NotFoundError: no such database.
        """
        prepared = self.prepare(database)
        asked = replace(prepared, topic=replace(prepared.topic, question=question.strip()))
        count = candidates or self._options.candidates
        tables = TableNames(tuple(table.name for table in prepared.schema.tables))

        async def answer(steps: Steps) -> dict[str, Any]:
            information = Information()
            if self._retrieval is not None:
                information = await retrieve(steps, asked, database, self._retrieval)
            found = asked.prompts.evidence(information.values, information.columns)
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
        schema = self._schemas.schema(database)
        known = self._prepared.get(database)
        if known is not None and known.schema is schema:
            return known
        if self._retrieval is not None:
            self._retrieval.prepare(database)
        options = self._options
        job = Job(
            topic=compact.Topic(render(schema), ""),
            schema=schema,
            profile=self._profile,
            options=options,
            sql=self._profile.statement(schema, options.max_sql_tokens),
        )
        self._prepared[database] = job
        return job

    async def check_context(
        self,
        database: str,
        context_tokens: int,
        count_tokens: Callable[[Sequence[Segment]], Awaitable[int]],
    ) -> None:
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
        prompt_tokens = max([await count_tokens(prompt) for prompt in longest])
        needed = prompt_tokens + _ROOM_TOKENS + job.sql.max_new_tokens
        if needed <= context_tokens:
            return
        remedy = (
            "choose the compact one (--prompt-profile compact)"
            if isinstance(self._profile, Full)
            else "use a model with a longer context or a database with fewer tables"
        )
        raise ConfigError(
            f"the {job.prompts.name} prompts about database {database!r} need {needed} tokens with the "
            f"answer, but the model's context has {context_tokens}: {remedy}",
            field="prompt_profile",
        )
