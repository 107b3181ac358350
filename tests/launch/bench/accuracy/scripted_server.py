"""A real API over HTTP whose workflow answers each question with the SQL that a script has for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from launch.bench.stand import HOST
from plugins.text2sql.question import QuestionRequest, SqlAnswer
from plugins.workflow_kind import Resources, ServedWorkflow
from sched.errors import ConfigError
from sched.workflow import GenerateParams, PlanStep, Segment, SegmentKind, Steps, WorkflowProgram
from tests.launch.api.api_stack import Api, api_stack, served


class ScriptedQuestion(QuestionRequest):
    """A question whose evidence is kept for the test."""

    evidence: str = ""


@dataclass
class ScriptedWorkflow(ServedWorkflow):
    """``script`` has the SQL of each question, and the database, evidence and candidates are noted.

    A question that it doesn't have fails; with ``None`` no SQL ran.
    """

    script: Mapping[str, str | None]
    asked: list[tuple[str, str, str, int | None]] = field(default_factory=list)

    def plan(self, request: ScriptedQuestion) -> tuple[PlanStep, ...]:
        return (PlanStep("generate_candidate", 1.0),)

    def program(self, request: ScriptedQuestion, database: str) -> WorkflowProgram:
        self.asked.append((request.question, database, request.evidence, request.candidates))

        async def run(steps: Steps) -> dict[str, Any]:
            segments = [Segment(SegmentKind.QUESTION, request.question)]
            await steps.generate("generate_candidate", segments, GenerateParams(16))
            if request.question not in self.script:
                raise ConfigError("the script has no such question")
            sql = self.script[request.question]
            error = None if sql else "no such column: cake"
            status = "ok" if sql else "no_sql_ran"
            told = {"columns": [], "rows": [], "truncated": False, "candidates": []}
            return {"status": status, "sql": sql, "sql_error": error, **told}

        return run


class ScriptedKind:
    """The kind of such a workflow."""

    name: ClassVar = "scripted"
    request: ClassVar = ScriptedQuestion
    answer: ClassVar = SqlAnswer

    def open(self, resources: Resources) -> ServedWorkflow:
        raise NotImplementedError


@asynccontextmanager
async def scripted_server(
    script: Mapping[str, str | None], databases: tuple[str, ...] = ("bakery", "library")
) -> AsyncIterator[tuple[str, ScriptedWorkflow, Api]]:
    """Yield the address of a server that answers as ``script`` says, its workflow and its stack."""
    workflow = ScriptedWorkflow(script)
    async with api_stack(kind=ScriptedKind(), workflow=workflow) as api, served(api.app) as port:
        api.databases[:] = databases
        api.worker.answers["flush_cache"] = True
        yield f"http://{HOST}:{port}", workflow, api
