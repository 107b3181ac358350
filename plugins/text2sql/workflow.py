"""The agentic Text-to-SQL workflow: link the schema, write candidates, repair them, let results decide."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from plugins.text2sql import prompts, stages
from plugins.text2sql.grammar import sql_tree, table_list_tree
from plugins.text2sql.grammar_tree import Node, max_length, to_ebnf
from plugins.text2sql.safety import extract_sql
from plugins.text2sql.schema import DatabaseSchema, render
from plugins.text2sql.selection import Candidate, decided, select
from sched.workflow import GenerateParams, Generation, PlanStep, SqlResult, Steps, WorkflowProgram


class SchemaSource(Protocol):
    """Where schemas come from; ``plugins.text2sql.databases.DatabaseRegistry`` is one."""

    def schema(self, name: str) -> DatabaseSchema:
        """Return the schema of database ``name``.

        Raises:
            NotFoundError: no such database.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Text2SqlOptions:
    """``candidates`` per question, ``max_revisions`` rounds per candidate.

    ``constrained`` bounds the model's SQL by the schema's grammar, so that even a model without any
    skill writes statements that run; a model that can write SQL is better off without.  The token
    limits apply to unconstrained output; a grammar has a limit of its own.
    """

    candidates: int = 3
    max_revisions: int = 3
    constrained: bool = False
    max_sql_tokens: int = 1024
    max_linking_tokens: int = 256


@dataclass(frozen=True, slots=True)
class _Job:
    """A question with what all its stages need."""

    question: str
    schema: DatabaseSchema
    schema_text: str
    linking: GenerateParams
    sql: GenerateParams


class Text2Sql:
    """Makes the workflow program of a question."""

    def __init__(self, schemas: SchemaSource, options: Text2SqlOptions) -> None:
        self._schemas = schemas
        self._options = options
        self._prepared: dict[str, _Job] = {}

    def plan(self, candidates: int | None = None) -> tuple[PlanStep, ...]:
        """Return the stages on the critical path with their expected visits.

        Parallel candidates count once; the share of revisions is where learning starts.
        """
        return (
            PlanStep(stages.SCHEMA_LINKING, 1.0),
            PlanStep(stages.GENERATE_CANDIDATE, 1.0),
            PlanStep(stages.REVISE, 0.5 if self._options.max_revisions else 0.0),
        )

    def program(self, question: str, database: str, candidates: int | None = None) -> WorkflowProgram:
        """Return the workflow that answers ``question`` on ``database`` with a JSON-ready dictionary.

        Raises:
            NotFoundError: no such database.
        """
        job = replace(self.prepare(database), question=question.strip())
        count = candidates or self._options.candidates

        async def answer(steps: Steps) -> dict[str, Any]:
            tables = await _link(steps, job)
            branches = [self._branch(job, tables, index) for index in range(count)]
            done = await steps.fan_out(branches, enough=lambda results: decided(results, count))
            return select(done)

        return answer

    def prepare(self, database: str) -> _Job:
        """Return what all questions to ``database`` share; reads the schema at the first call (seconds).

        Raises:
            NotFoundError: no such database.
        """
        schema = self._schemas.schema(database)
        known = self._prepared.get(database)
        if known is not None and known.schema is schema:
            return known
        options = self._options
        job = _Job(
            question="",
            schema=schema,
            schema_text=render(schema),
            linking=_params(table_list_tree(schema), options.max_linking_tokens, options.constrained),
            sql=_params(sql_tree(schema), options.max_sql_tokens, options.constrained),
        )
        self._prepared[database] = job
        return job

    def _branch(
        self, job: _Job, tables: Sequence[str], index: int
    ) -> Callable[[Steps], Awaitable[Candidate]]:
        style = prompts.STYLES[index % len(prompts.STYLES)]
        # The first candidate of each style is the model's best guess, the others look around it.
        temperature = 0.0 if index < len(prompts.STYLES) else 0.7

        async def run(steps: Steps) -> Candidate:
            prompt = prompts.candidate(style, job.schema_text, job.question, tables)
            params = _at(job.sql, temperature)
            generation = await steps.generate(stages.GENERATE_CANDIDATE, prompt, params)
            candidate = Candidate(index, style.name, 0, await _try(steps, generation))
            for round_ in range(1, self._options.max_revisions + 1):
                if candidate.settled:
                    break
                result = candidate.result
                prompt = prompts.revision(
                    job.schema_text, job.question, result.statement, candidate.complaint
                )
                generation = await steps.generate(stages.REVISE, prompt, _at(job.sql, 0.5))
                candidate = candidate.revised(round_, await _try(steps, generation))
            return candidate

        return run


async def _link(steps: Steps, job: _Job) -> list[str]:
    """Return the tables that the model links, or none if its answer is unusable (then all count)."""
    generation = await steps.generate(
        stages.SCHEMA_LINKING, prompts.linking(job.schema_text, job.question), job.linking
    )
    known = {table.name for table in job.schema.tables}
    text = generation.text
    try:
        named = json.loads(text[text.index("[") : text.rindex("]") + 1])
    except ValueError:  # no array, truncated, or not JSON
        return []
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    return [name for name in dict.fromkeys(names) if name in known]


async def _try(steps: Steps, generation: Generation) -> SqlResult:
    """Run what the model wrote, unless it was cut off."""
    statement = extract_sql(generation.text)
    if generation.truncated:
        message = f"the statement was cut off after {generation.output_tokens} tokens"
        return SqlResult(statement, error=message, error_kind="rejected")
    return await steps.sql(stages.EXECUTE, statement)


def _params(grammar: Node, max_tokens: int, constrained: bool) -> GenerateParams:
    if not constrained:
        return GenerateParams(max_tokens, {"temperature": 0.0})
    # Every token has at least one byte, and one more token ends the output.
    return GenerateParams(max_length(grammar) + 1, {"temperature": 0.0, "ebnf": to_ebnf(grammar)})


def _at(params: GenerateParams, temperature: float) -> GenerateParams:
    sampling: Mapping[str, Any] = {**params.sampling, "temperature": temperature}
    return replace(params, sampling=sampling)
