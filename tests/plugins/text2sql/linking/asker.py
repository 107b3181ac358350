"""Questions to the warehouse: a model that names tables, and retrieval that finds a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plugins.text2sql import stages
from plugins.text2sql.databases.database_registry import DatabaseRegistry
from plugins.text2sql.linking.room import TokenCounter
from plugins.text2sql.options import Text2SqlOptions
from plugins.text2sql.profile import Compact
from plugins.text2sql.program import Text2Sql
from plugins.text2sql.question import QuestionRequest
from plugins.text2sql.retrieval.retrieval import Found
from plugins.workflow_kind import Resources
from tests.plugins.text2sql.linking.warehouse import CONTEXT, named, shown
from tests.plugins.text2sql.scripted_steps import Call, Journal, Model, ScriptedSteps

ASKED = ["t_120", "t_123"]
NOTHING: Mapping[str, Any] = {}
RIGHT = "SELECT count(*) FROM t_120 JOIN t_121 ON t_120.next_id = t_121.id"
WRONG = "SELECT id, next_id FROM t_123"


class NamesAValue:
    """Retrieval that finds a value of ``t_007``, which the question names."""

    def prepare(self, database: str) -> None:
        """Nothing is prepared."""

    async def values(self, database: str, keywords: Any, question: str, hint: str = "") -> Found:
        return Found(("t_007.measure_7_3 = 'Oak''s End'", "t_008.measure_8_3 = 'Oakland'"))

    async def columns(self, database: str, keywords: Any) -> Found:
        return Found(())


FINDS = NamesAValue()


@dataclass
class Asker:
    """Names the ``wanted`` tables that its prompt shows, or of every part as many as it may."""

    wanted: list[str] | None
    statements: tuple[str, ...] = (RIGHT, WRONG, RIGHT)
    parts: list[list[str]] = field(default_factory=list)

    def __call__(self, call: Call, number: int) -> str:
        if call.stage == stages.SCHEMA_LINKING:
            tables = shown(call.prompt)
            self.parts.append(tables)
            return named(tables[:12] if self.wanted is None else [t for t in self.wanted if t in tables])
        if call.stage == stages.GENERATE_CANDIDATE:
            return self.statements[call.branches[0]]
        tests = "- It counts rows.\n- It has one column."
        answers = {
            stages.INFORMATION_RETRIEVAL: [stages.EXTRACT_KEYWORDS, "retrieve_values", "done"],
            stages.EXTRACT_KEYWORDS: ['["rows"]'],
            stages.REVISE: [RIGHT],
            stages.UNIT_TESTER: [stages.GENERATE_UNIT_TEST, stages.EVALUATE, "done"],
            stages.GENERATE_UNIT_TEST: [tests],
            stages.EVALUATE: ["Candidate 1: passed\nCandidate 2: failed"],
        }[call.stage]
        return answers[min(number, len(answers) - 1)]


async def asked(
    registry: DatabaseRegistry,
    count: TokenCounter,
    model: Model,
    question: str = "How many rows join at Oak's End?",
    workflow: Text2Sql | None = None,
    steps: Mapping[str, Any] = NOTHING,
    retrieval: NamesAValue | None = FINDS,
    **options: Any,
) -> tuple[dict[str, Any], Journal]:
    """Ask, over ``ScriptedSteps`` with ``steps``; all parts are linked unless ``options`` say otherwise.

    Check that every prompt has room for its answer.
    """
    options = {"linking_parts": 0} | options
    resources = Resources(registry, Compact(), Text2SqlOptions(**options), retrieval)
    text2sql = workflow or Text2Sql(resources)
    await text2sql.check_context("warehouse", CONTEXT, count)
    scripted = ScriptedSteps(model, registry, database="warehouse", **steps)
    answer = await text2sql.program(QuestionRequest(question=question), "warehouse")(scripted)
    for call in scripted.journal.calls:
        used = await count(call.segments) + call.params.max_new_tokens
        assert used <= CONTEXT, f"{call.stage}: {used}"
    return answer, scripted.journal
